"""Commands shown with what they print."""

import pytest

from course_utils.terminal import terminal


def test_a_command_is_shown_with_its_output_and_its_code(capsys):
    assert terminal("python -c 'print(6 * 7)'") == 0
    assert capsys.readouterr().out == "$ python -c 'print(6 * 7)'\n42\n"


def test_it_is_the_python_of_this_environment(capsys):
    import sys

    terminal("python -c 'import sys; print(sys.prefix)'")
    assert capsys.readouterr().out.splitlines()[1] == sys.prefix


def test_what_fails_is_shown_too_and_warnings_are_not(capsys):
    code = "import warnings, sys; warnings.warn('old'); print('no', file=sys.stderr); sys.exit(3)"
    assert terminal(f'python -c "{code}"') == 3
    shown = capsys.readouterr().out
    assert "\nno\n" in shown and shown.count("old") == 1  # once, in the command itself


def test_no_shell_reads_it(capsys):
    terminal("python -c 'import sys; print(sys.argv[1:])' '*' ';' '|'")
    assert "['*', ';', '|']" in capsys.readouterr().out


def test_bad_commands(capsys):
    with pytest.raises(ValueError, match="empty"):
        terminal("  ")
    with pytest.raises(FileNotFoundError, match="no program 'no-such-program'"):
        terminal("no-such-program --now")
    with pytest.raises(TimeoutError, match="did not end within"):
        terminal("python -c 'import time; time.sleep(9)'", seconds=0.2)
