"""A folder of what is known of a model's units: each answer under the key of its question."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError, OutputError
from ..files import write_bytes
from ..images import opened
from ..locks import locked
from ..network.model import Model
from ..plain import path as a_path
from .plan import Plan
from .questions import Question
from .remembered import together

if TYPE_CHECKING:
    from PIL.Image import Image

_FORMAT = 1
NAME = "project.json"
"""The file by which a folder is known to be a project."""

_PLAN = "plan.json"
_ANSWERS = "answers"
_UNFINISHED = ".unfinished"
_LOCK = "lock"
_BEGUN = ".begun"
_SECONDS_TO_BEGIN = 30.0
_LONGEST = 60
_WRITTEN = {"asked", "files", "kind"}
"""What every answer has, of a unit or whatever was typed."""

_TRIES = 50


class Project:
    """A folder in which every answer is whole or not there, whoever writes to it, and how many.

    An answer is two files, `answers/3f/3f….png` with a picture, and `answers/3f/3f….json` with what
    is known of it, which is written last: an answer without it is not there. Several processes may
    write at once; they write the same.

    Attributes:
        folder: Where it is.
        model: What `project.json` says of the model.
    """

    def __init__(self, folder: Path, model: Mapping[str, Any]) -> None:
        """Take an opened folder; `create` and `open` are for users."""
        self.folder = folder
        self.model = dict(model)

    @classmethod
    def create(cls, folder: str | os.PathLike[str], model: Model) -> Project:
        """Open a model's project, or begin one where there is none.

        Args:
            folder: An empty folder, one that is not there, or a project of the same model.
            model: The model.

        Raises:
            InputError: it is a file, or the folder holds another model's project, or other files.
            OutputError: it cannot be written.
        """
        path = a_path("the folder", folder)
        if path.exists() and not path.is_dir():
            raise InputError(f"{path} is a file; name a folder, or what is not there yet")
        described = {
            "name": model.name,
            "sha256": model.sha256,
            "preprocessing": model.arguments(),
        }
        try:
            path.mkdir(parents=True, exist_ok=True)
            if not _is_there(path):
                # Of several that begin it at once, one does, and the others open it.
                with locked(path / _BEGUN, _SECONDS_TO_BEGIN):
                    if not (path / NAME).is_file():
                        data = {"format": _FORMAT, "model": described}
                        write_bytes(path / NAME, _as_json(data), own=True)
                with suppress(OSError):
                    (path / _BEGUN).unlink()
        except OSError as error:
            raise OutputError(f"cannot write to {path}: {error.strerror}") from error
        found = cls.open(path)
        found.check(model)
        return found

    @classmethod
    def open(cls, folder: str | os.PathLike[str]) -> Project:
        """Open a project that is there.

        Raises:
            InputError: there is none, or it is damaged, or of a later version of onnxscope.
        """
        path = a_path("the folder", folder)
        try:
            data = json.loads((path / NAME).read_bytes())
        except FileNotFoundError:
            raise InputError(
                f"{path} is no project: it has no {NAME}; `onnxscope microscope` makes one"
            ) from None
        except (OSError, ValueError) as error:
            raise InputError(f"{path / NAME} is damaged: {error}") from error
        if not isinstance(data, dict) or not isinstance(data.get("model"), dict):
            raise InputError(f"{path / NAME} is damaged: it does not say of which model it is")
        if data.get("format") != _FORMAT:
            raise InputError(
                f"{path} is a project of format {data.get('format')!r}, and this version of "
                f"onnxscope knows format {_FORMAT}"
            )
        return cls(path, data["model"])

    def check(self, model: Model) -> None:
        """See that it is the project of a model.

        Raises:
            InputError: it is another one's, or of the same file with another preprocessing.
        """
        if self.model.get("sha256") != model.sha256:
            name = self.model.get("name")
            other = (
                f"another model, {name}, and not of {model.name}"
                if name != model.name
                else f"{name} as it was before, and the file has changed since"
            )
            raise InputError(f"{self.folder} is the project of {other}; name another folder")
        if self.model.get("preprocessing") != json.loads(json.dumps(model.arguments())):
            raise InputError(
                f"{self.folder} was begun with another preprocessing of {model.name}, "
                f"{self.model.get('preprocessing')}; name another folder, or give that one"
            )

    @property
    def plan(self) -> dict[str, Any] | None:
        """The last plan as plain data (see `Plan.to_json`); `None` where there was none.

        Raises:
            InputError: its file is damaged.
        """
        return _read(self.plan_file)

    @property
    def plan_file(self) -> Path:
        """Where the last plan is, or would be."""
        return self.folder / _PLAN

    def differences(self, plan: Plan) -> list[str]:
        """Return in what a plan makes its pictures otherwise than the last one, in words."""
        before = (self.plan or {}).get("made_with")
        if not isinstance(before, dict):
            return []
        now = json.loads(json.dumps(plan.made_with))
        return [
            f"{name} {_in_words(now[name])}, before {_in_words(before.get(name))}"
            for name in now
            if before.get(name) != now[name]
        ]

    def path_of(self, question: Question, suffix: str) -> Path:
        """Return where the answer is, or would be.

        Args:
            question: What is asked.
            suffix: How its name ends, such as `.png` or `.json`.
        """
        return self.answers / question.key[:2] / f"{question.key}{suffix}"

    @property
    def answers(self) -> Path:
        """The folder of the answers."""
        return self.folder / _ANSWERS

    def has(self, question: Question) -> bool:
        """Return whether the answer is there, whole."""
        return all(_has_content(self.path_of(question, suffix)) for suffix in question.suffixes)

    def answer(self, question: Question) -> dict[str, Any] | None:
        """Return what is known of the answer, `None` where it is not there, whole.

        Raises:
            InputError: it is damaged.
        """
        path = self.path_of(question, ".json")
        known = _read(path) if self.has(question) else None
        if known is not None and not known.keys() >= _WRITTEN:
            raise InputError(f"{path} is damaged: it is no answer; remove it")
        return known

    @contextmanager
    def picture(self, question: Question, suffix: str = ".png") -> Iterator[Image]:
        """Open a picture of an answer, to be read in the block.

        Args:
            question: What was asked.
            suffix: How its name ends.

        Raises:
            InputError: it is damaged.
        """
        path = self.path_of(question, suffix)
        try:
            with opened(path) as image:
                yield image
        except InputError as error:
            raise InputError(
                f"{path} is damaged: {error}; remove it, and `onnxscope microscope` makes it again"
            ) from error

    @contextmanager
    def writing(self) -> Iterator[Writer]:
        """Give a writer, until the block ends; what killed writers left unfinished is removed.

        Raises:
            OutputError: the folder cannot be written.
        """
        unfinished = self.folder / _UNFINISHED
        with ExitStack() as held:
            try:
                work = _folder_of_its_own(unfinished, held)
            except OSError as error:
                raise OutputError(f"cannot write to {self.folder}: {error.strerror}") from error
            yield Writer(self, work)


@dataclass(frozen=True)
class Writer:
    """Writes answers into a project.

    Attributes:
        project: The project.
        work: A folder of its own, for files that are not finished.
    """

    project: Project
    work: Path

    def begin(self, plan: Plan) -> None:
        """Write down what the project shall have, besides what it shall have by the last plan.

        Raises:
            InputError: the last plan is damaged.
            OutputError: it cannot be written.
        """
        every = _as_json(together(plan, self.project).to_json())
        write_bytes(self.project.plan_file, every, self.work, own=True)

    def keep(
        self,
        question: Question,
        png: bytes,
        facts: Mapping[str, Any],
        beside: Mapping[str, bytes] | None = None,
    ) -> None:
        """Keep a picture, and what is known of it.

        Args:
            question: What it answers.
            png: The finished picture, with its recipe in it; empty where there is none.
            facts: More of it, as plain data.
            beside: More files, by how their names end, such as `.webp`.

        Raises:
            OutputError: it cannot be written, such as when the disk is full.
        """
        files = ({".png": png} if png else {}) | dict(beside or {})
        for suffix, content in files.items():
            self.keep_file(question, suffix, content)
        data = {"asked": dict(question.asked), **facts, "files": sorted(files)}
        self.keep_file(question, ".json", _as_json(data))

    def keep_file(self, question: Question, suffix: str, content: bytes) -> None:
        """Keep one file of an answer, which is there only with its `.json`.

        Args:
            question: What it answers.
            suffix: How its name ends.
            content: What is in it.

        Raises:
            OutputError: it cannot be written, such as when the disk is full.
        """
        path = self.project.path_of(question, suffix)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"cannot write {path}: {error.strerror or error}") from error
        write_bytes(path, content, self.work, own=True)


def _has_content(path: Path) -> bool:
    """Whether a file is there; an empty one is what is left where the power failed."""
    try:
        return path.stat().st_size > 0
    except OSError:
        return False


def _read(path: Path) -> dict[str, Any] | None:
    """A file of JSON, `None` where it is not there.

    Raises:
        InputError: it is damaged.
    """
    try:
        data = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise InputError(f"{path} is damaged: {error}; remove it") from error
    if not isinstance(data, dict):
        raise InputError(f"{path} is damaged: it is no object; remove it")
    return data


def _is_there(folder: Path) -> bool:
    """Whether a folder is a project; not, where it is empty, or somebody begins one in it.

    Raises:
        InputError: it holds something else.
    """
    names = {one.name for one in folder.iterdir()}
    if NAME not in names and names and _BEGUN not in names and not (folder / NAME).is_file():
        raise InputError(
            f"{folder} is no project of onnxscope's, and has files in it; name an empty "
            "folder, or one that is not there yet"
        )
    return (folder / NAME).is_file()


def _in_words(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _folder_of_its_own(unfinished: Path, held: ExitStack) -> Path:
    """Make a writer's folder, which is locked, and there until the stack ends.

    Others come and go at any moment: one that begins may take this folder for a dead writer's
    before it is locked, and one that ends removes the folder of all of them. Then another one is
    made.

    Raises:
        OSError: the folder cannot be written.
    """
    for left in reversed(range(_TRIES)):
        try:
            unfinished.mkdir(exist_ok=True)
            _remove_left(unfinished)
            work = Path(tempfile.mkdtemp(dir=unfinished))
            with ExitStack() as tried:
                tried.callback(_remove, work)
                # Where the file system has no locks, nobody is taken for dead either.
                if tried.enter_context(locked(work / _LOCK, 1)) is not False or not left:
                    held.enter_context(tried.pop_all())
                    return work
        except (FileNotFoundError, FileExistsError):
            # The latter is of a folder that was there, and is removed before it is looked at.
            if not left:
                raise
    raise AssertionError("the last try returns or raises")


def _remove(work: Path) -> None:
    shutil.rmtree(work, ignore_errors=True)
    # Another one may be writing.
    with suppress(OSError):
        work.parent.rmdir()


def _remove_left(unfinished: Path) -> None:
    """Remove the folders of writers that are no more: their locks are free."""
    for work in unfinished.iterdir():
        try:
            with locked(work / _LOCK, 0) as is_left:
                if is_left:
                    shutil.rmtree(work, ignore_errors=True)
        except OSError:
            # It went away at this moment, by its own writer or by another one's cleaning.
            continue


def _as_json(data: Mapping[str, Any]) -> bytes:
    # Rows of a thousand numbers would be as many lines.
    return (json.dumps(data, ensure_ascii=False, separators=(",", ":")) + "\n").encode()
