/* Stands in for the venv launcher of CPython for Windows, which the embeddable package lacks.

   It reads `home` from the pyvenv.cfg beside it or in the folder above, tells the interpreter in __PYVENV_LAUNCHER__
   who was started, starts HOME\python.exe with the command line it got itself, and ends as that does. */

#include <stdio.h>
#include <string.h>
#include <wchar.h>
#include <windows.h>

#ifndef PROGRAM
#define PROGRAM L"python.exe"
#endif

#define LONGEST 32768

/* Exit codes of CPython's own launcher, so that a test may tell them from the interpreter's. */
enum { NOT_STARTED = 101, NO_PYTHON = 103, NO_CONFIGURATION = 106, BAD_CONFIGURATION = 107, NO_OWN_PATH = 108 };

static wchar_t own[LONGEST], place[LONGEST], home[LONGEST], python[LONGEST];
static char text[8192];

static int fail(int code, const char *what, const wchar_t *path)
{
    fprintf(stderr, "launcher: %s: %ls\n", what, path);
    return code;
}

/* Cuts the last part off a path, separator and all; gives 0 if there is none. */
static int cut(wchar_t *path)
{
    wchar_t *last = wcsrchr(path, L'\\');
    if (!last)
        return 0;
    *last = 0;
    return 1;
}

/* Opens pyvenv.cfg in a folder, whose name it changes to the file's. */
static FILE *configuration_in(wchar_t *folder)
{
    wcscat(folder, L"\\pyvenv.cfg");
    return _wfopen(folder, L"rb");
}

/* Finds the value of `home`; gives 0 if there is none. The file is UTF-8. */
static int find_home(char *content)
{
    for (char *line = strtok(content, "\r\n"); line; line = strtok(NULL, "\r\n")) {
        if (strncmp(line, "home", 4) != 0)
            continue;
        char *value = line + 4 + strspn(line + 4, " \t");
        if (*value != '=')
            continue;
        value += 1 + strspn(value + 1, " \t");
        for (size_t end = strlen(value); end > 0 && strchr(" \t", value[end - 1]); end--)
            value[end - 1] = 0;
        return MultiByteToWideChar(CP_UTF8, 0, value, -1, home, LONGEST - 32) > 1;
    }
    return 0;
}

int wmain(void)
{
    DWORD size = GetModuleFileNameW(NULL, own, LONGEST);
    if (size == 0 || size > LONGEST - 32)
        return fail(NO_OWN_PATH, "cannot tell its own path", own);
    wcscpy(place, own);
    cut(place);
    FILE *file = configuration_in(place);
    if (!file) {
        cut(place);
        if (cut(place))
            file = configuration_in(place);
    }
    if (!file)
        return fail(NO_CONFIGURATION, "no pyvenv.cfg beside it or above", own);
    text[fread(text, 1, sizeof text - 1, file)] = 0;
    fclose(file);
    if (!find_home(text))
        return fail(BAD_CONFIGURATION, "no home in", place);

    swprintf(python, LONGEST, L"%ls\\%ls", home, PROGRAM);
    if (GetFileAttributesW(python) == INVALID_FILE_ATTRIBUTES)
        return fail(NO_PYTHON, "there is no", python);
    SetEnvironmentVariableW(L"__PYVENV_LAUNCHER__", own);

    STARTUPINFOW start;
    PROCESS_INFORMATION child;
    GetStartupInfoW(&start);
    start.dwFlags |= STARTF_USESTDHANDLES;
    start.hStdInput = GetStdHandle(STD_INPUT_HANDLE);
    start.hStdOutput = GetStdHandle(STD_OUTPUT_HANDLE);
    start.hStdError = GetStdHandle(STD_ERROR_HANDLE);
    /* The command line is handed on as it came: so nothing is quoted anew, and nothing can be quoted wrongly. */
    if (!CreateProcessW(python, GetCommandLineW(), NULL, NULL, TRUE, 0, NULL, NULL, &start, &child))
        return fail(NOT_STARTED, "cannot start", python);
    DWORD code = NOT_STARTED;
    WaitForSingleObject(child.hProcess, INFINITE);
    GetExitCodeProcess(child.hProcess, &code);
    return (int)code;
}
