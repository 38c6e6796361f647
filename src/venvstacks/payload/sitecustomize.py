"""Makes the layers below this one importable, wherever the stack lies. Written by venvstacks."""

import os
import site
import sys

# The site-packages of the layers below, in path order, relative to the folder of this file.
LAYERS_BELOW: "tuple[str, ...]" = ()


def _activate() -> None:
    here = os.path.dirname(os.path.abspath(__file__))
    customized = [(here, "_package_sitecustomize")]
    for position, relative in enumerate(LAYERS_BELOW, start=1):
        folder = os.path.normpath(os.path.join(here, relative))
        if os.path.isdir(folder):
            site.addsitedir(folder)
            is_runtime = position == len(LAYERS_BELOW)  # which has no file like this one
            customized.append((folder, "sitecustomize" if is_runtime else "_package_sitecustomize"))
        else:
            sys.stderr.write(f"venvstacks: a layer is missing beside this one: there is no {folder}\n")
    for folder, name in reversed(customized):
        _customize(folder, name)
    if not sys.flags.no_user_site:  # in a virtual environment, Python itself does not look for it
        try:
            import usercustomize  # noqa: F401
        except ImportError as error:
            if error.name != "usercustomize":
                _report("usercustomize", error)
        except Exception as error:
            _report("usercustomize", error)


def _customize(folder: str, name: str) -> None:
    """Run the ``sitecustomize`` that a package brought into a layer, if one did."""
    for path in (os.path.join(folder, name, "__init__.py"), os.path.join(folder, f"{name}.py")):
        if os.path.exists(path):
            _run(path)
            return


def _run(path: str) -> None:
    try:
        with open(path, "rb") as file:
            code = compile(file.read(), path, "exec")
        exec(code, {"__name__": "sitecustomize", "__file__": path, "__builtins__": __builtins__})
    except Exception as error:
        _report(path, error)


def _report(what: str, error: Exception) -> None:
    # as Python does for its own: say so, and go on
    sys.stderr.write(f"Error in {what}:\n{type(error).__name__}: {error}\n")


_activate()
