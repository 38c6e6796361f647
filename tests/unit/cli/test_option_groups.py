"""The commands have the options of the contract, and help that is true."""

import re
import shlex

import click
import pytest

from venvstacks.cli.app import cli

SELECTION = "--include --allow-missing"
SHOWING = "--show --show-only --json"
# What users of venvstacks 0.8 have in their scripts. None of it may go or change its name.
DEPENDENCIES = "--lock-dependencies --build-dependencies --publish-dependencies --include-dependencies"
CONTRACT = {
    "show": f"--build-dir {SELECTION} --json",
    "lock": f"--build-dir --clean --if-needed --index --local-wheels --reset-lock --lock-dependencies {SELECTION} "
    f"{SHOWING}",
    "build": f"--build-dir --output-dir --clean --lock-if-needed --lock --build --publish --index --local-wheels "
    f"--tag-outputs --reset-lock {DEPENDENCIES} --build-derived --publish-derived {SELECTION} {SHOWING}",
    "publish": f"--build-dir --output-dir --force --dry-run --tag-outputs --publish-dependencies "
    f"--publish-derived {SELECTION} {SHOWING}",
    "local-export": f"--build-dir --output-dir --force --dry-run --publish-dependencies --publish-derived "
    f"{SELECTION} {SHOWING}",
}
# Those of them that are followed by something; all others may be denied.
WITH_VALUE = {"--build-dir", "--output-dir", "--local-wheels", "--include", "--reset-lock"}
OWN = {
    "publish": "--format --compression-level --compression --jobs --cache-dir",
    "run": "--from --build-dir --spec",
    "unpack": "--to --force --dry-run --jobs --json",
    "cache": "",
}


def options_of(command: click.Command) -> set[str]:
    return {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}


@pytest.mark.parametrize("name", CONTRACT)
def test_has_the_options_of_the_contract(name: str) -> None:
    wanted = set(CONTRACT[name].split())
    denied = {f"--no-{option.removeprefix('--')}" for option in wanted - WITH_VALUE}
    assert wanted | denied <= options_of(cli.commands[name])


@pytest.mark.parametrize("name", OWN)
def test_has_options_of_its_own(name: str) -> None:
    assert set(OWN[name].split()) <= options_of(cli.commands[name])


@pytest.mark.parametrize("name", cli.commands)
def test_every_flag_can_be_denied(name: str) -> None:
    flags = [
        p for p in cli.commands[name].params if isinstance(p, click.Option) and p.is_flag and p.name != "help"
    ]
    assert [flag.name for flag in flags if not flag.secondary_opts] == []


def test_the_last_of_a_pair_counts() -> None:
    params = (
        cli.commands["build"]
        .make_context("build", ["--lock", "--no-lock-if-needed", "--no-build", "--build"])
        .params
    )
    assert not params["lock"]
    assert params["build"]


@pytest.mark.parametrize("name", [*CONTRACT, "unpack", "cache"])
def test_verbosity_may_stand_behind_the_command(name: str) -> None:
    assert {"-v", "--verbose", "-q", "--quiet"} <= options_of(cli.commands[name])


def test_global_options() -> None:
    assert {"-V", "--version", "-v", "--verbose", "-q", "--quiet"} <= options_of(cli)


@pytest.mark.parametrize(
    ("command", "option", "default"),
    [
        ("build", "build_dir", "_build"),
        ("build", "output", "_artifacts"),
        ("publish", "output", "_artifacts"),
        ("local-export", "output", "_export"),
        ("show", "spec", "venvstacks.toml"),
    ],
)
def test_defaults(command: str, option: str, default: str) -> None:
    context = cli.commands[command].make_context(command, [], resilient_parsing=True)
    assert str(context.params[option]) == default


@pytest.mark.parametrize("name", ["", *cli.commands])
def test_help_of_each_option_and_an_example(name: str) -> None:
    command = cli.commands[name] if name else cli
    undescribed = [p.name for p in command.params if isinstance(p, click.Option) and not p.help]
    assert undescribed == []
    assert "Example:" in (command.help or "")


@pytest.mark.parametrize("name", ["", *cli.commands])
def test_the_example_can_be_typed(name: str) -> None:
    """Each command of an example is parsed by the command line, to the end."""
    command = cli.commands[name] if name else cli
    example = (command.help or "").partition("Example:")[2]
    typed = re.findall(r"venvstacks ([^&)\"\n]+)", example)
    assert typed
    if name:
        assert any(shlex.split(words)[0] == name for words in typed)
    for words in typed:
        called, *arguments = shlex.split(words)
        context = cli.commands[called].make_context(called, arguments)
        # what an application is given is not ours to know, but none of it may look like an option of ours
        assert not set(context.params.get("arguments", ())) & options_of(cli.commands[called])


def test_arguments_of_an_application_are_its_own() -> None:
    words = ["--from", "somewhere", "hello", "--help", "--from", "x", "--", "-v", "--json"]
    params = cli.commands["run"].make_context("run", words).params
    assert params["app"] == "hello"
    assert params["arguments"] == ("--help", "--from", "x", "--", "-v", "--json")


def test_unknown_option_before_the_application() -> None:
    with pytest.raises(click.NoSuchOption):
        cli.commands["run"].make_context("run", ["--form", "x", "hello"])


@pytest.mark.parametrize("group", ["", "cache", "deployment"])
def test_no_summary_is_cut(group: str) -> None:
    """A line of the list of commands has room for a whole sentence on a terminal with 80 columns."""
    command = cli.commands[group] if group else cli
    assert isinstance(command, click.Group)
    context = click.Context(command, info_name="venvstacks", terminal_width=80)
    listed = command.get_help(context).partition("Commands:\n")[2].splitlines()
    assert len(listed) == len(command.commands)
    assert [line for line in listed if not line.endswith(".") or line.endswith("...")] == []
