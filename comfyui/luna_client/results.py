"""What the commands answer, as dataclasses.

Fields that a newer server adds are ignored, fields that it leaves out take their default: a client and a server
one version apart understand each other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

from .tensors import Tensor

T = TypeVar("T")


def known(cls: type[T], data: Mapping[str, Any], **parsed: Any) -> T:
    """An instance from a JSON object, without the keys that the class does not have."""
    names = {f.name for f in fields(cls)}  # type: ignore[arg-type]
    values = {name: value for name, value in data.items() if name in names and value is not None}
    values.update(parsed)
    return cls(**values)


def objects(data: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    value = data.get(name)
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


# -- models ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ModelFile:
    """A file of the model folders. ``loaded`` names the devices that hold it now."""

    name: str
    kind: str = ""
    folder: str = ""
    bytes: int = 0
    modified: float = 0
    family: str = ""
    loaded: tuple[str, ...] = ()

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ModelFile:
        return known(cls, data, name=str(data["name"]), loaded=tuple(data.get("loaded") or ()))


@dataclass(frozen=True)
class ModelList:
    """The files of the model folders; ``revision`` changes when they do."""

    revision: int
    models: tuple[ModelFile, ...]

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ModelList:
        models = tuple(ModelFile.from_json(item) for item in objects(data, "models"))
        return cls(int(data.get("revision", 0)), models)

    def of_kind(self, kind: str) -> tuple[ModelFile, ...]:
        """The files of one kind: ``text``, ``vae``, ``vision`` or ``vlm``."""
        return tuple(model for model in self.models if model.kind == kind)


@dataclass(frozen=True)
class ModelInfo:
    """What a proxy object must know of a model without its weights.

    Attributes:
        downscale_ratio: pixels of one latent cell's side when encoding; ``upscale_ratio`` when decoding.
        latent_channels: channels C of ``[B, C, h, w]``; ``latent_dim`` is the number of spatial axes.
        token_keys: the towers of a text encoder, for instance ``("l", "g")``; ``layers`` their depth.
    """

    family: str = ""
    type: str = ""
    hash: str = ""
    token_keys: tuple[str, ...] = ()
    layers: int = 0
    latent_channels: int = 0
    latent_dim: int = 2
    downscale_ratio: int = 0
    upscale_ratio: int = 0
    output_channels: int = 3
    weight_keys: tuple[str, ...] = ()

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ModelInfo:
        return known(
            cls,
            data,
            token_keys=tuple(data.get("token_keys") or ()),
            weight_keys=tuple(data.get("weight_keys") or ()),
        )


# -- warnings --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ServerWarning:
    """What the server says beside a result: it is there, but it may not be what was meant.

    Attributes:
        code: for programs: ``non_finite``, ``tiled``, ``evicted``, ``embedding``, ...; empty from a server that
            sends only text.
        count: how many there are of what the code names, where they are counted.
    """

    message: str
    code: str = ""
    count: int | None = None

    def __str__(self) -> str:
        return self.message


def warnings_of(data: Mapping[str, Any]) -> tuple[ServerWarning, ...]:
    """The ``warnings`` of a reply or a job: objects, or texts from a server without the capability "warnings"."""
    value = data.get("warnings")
    found = []
    for item in value if isinstance(value, list) else []:
        if isinstance(item, str):
            found.append(ServerWarning(item))
        elif isinstance(item, dict) and "message" in item:
            found.append(known(ServerWarning, item, message=str(item["message"])))
    return tuple(found)


# -- tensors ---------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Latents:
    """``latents`` [B, C, h, w], unscaled as ComfyUI holds them (the posterior mean)."""

    latents: Tensor
    tiled: bool = False
    tiles: int = 0
    warnings: tuple[ServerWarning, ...] = ()


@dataclass(frozen=True, eq=False)
class Images:
    """``images`` [B, H, W, 3] in 0..1 (or u8 in 0..255 where that was asked for)."""

    images: Tensor
    tiled: bool = False
    tiles: int = 0
    warnings: tuple[ServerWarning, ...] = ()


class TokenLists(dict[str, list[list[tuple[Any, ...]]]]):
    """Tokens as ComfyUI holds them: tower -> chunks -> (id, weight[, word number]), with the server's warnings."""

    warnings: tuple[ServerWarning, ...] = ()


@dataclass(frozen=True, eq=False)
class Conditioning:
    """``cond`` [1, T, D] of one prompt; ``pooled`` [1, P] and ``attention_mask`` [1, T] where the family has them."""

    cond: Tensor
    pooled: Tensor | None = None
    attention_mask: Tensor | None = None
    warnings: tuple[ServerWarning, ...] = ()


@dataclass(frozen=True, eq=False)
class PromptPair:
    """Both prompts of a picture: ``cond`` and ``uncond`` [1, T, D], ``pooled`` and ``pooled_neg`` [1, P].

    The negative half is None where it was not asked for, ``pooled`` where the family has none.
    """

    cond: Tensor
    pooled: Tensor | None = None
    uncond: Tensor | None = None
    pooled_neg: Tensor | None = None
    warnings: tuple[ServerWarning, ...] = ()


@dataclass(frozen=True, eq=False)
class SdxlPromptPair(PromptPair):
    """Both prompts for SDXL, each with the sizes that the sampler reads ("width", "height", "crop_w", ...)."""

    positive: dict[str, int] = field(default_factory=dict)
    negative: dict[str, int] = field(default_factory=dict)


# -- saving ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SavedName:
    """The name that is reserved for one image of a job."""

    index: int
    subfolder: str = ""
    filename: str = ""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> SavedName:
        return known(cls, data, index=int(data.get("index", 0)))


@dataclass(frozen=True)
class Submission:
    """An accepted job, whose names are reserved. ``key`` is what it was submitted under.

    Attributes:
        warnings: pixels that are not finite (``non_finite``), texts that a format cannot hold (``metadata``).
        durable: whether a power cut takes nothing away from now on; false only with ``"durability": "fast"``, and then
            ``note`` says what a crash would cost.
    """

    job_id: str
    key: str
    images: int = 0
    queued: int = 0
    files: tuple[SavedName, ...] = ()
    durable: bool = True
    note: str = ""
    warnings: tuple[ServerWarning, ...] = ()

    @classmethod
    def from_json(cls, data: Mapping[str, Any], key: str) -> Submission:
        return known(
            cls,
            data,
            key=key,
            job_id=str(data["job_id"]),
            files=tuple(SavedName.from_json(item) for item in objects(data, "files")),
            warnings=warnings_of(data),
        )


@dataclass(frozen=True)
class JobImage:
    """One image of a save job; ``path`` is absolute, on the saving node.

    Attributes:
        thumbnail: its path, if one was asked for; ``thumbnail_error``: why there is none.
        score: of the quality gate, where there was one; ``discarded``: it did not pass.
        left_out: keys of texts that the file has no room for.
        renamed_from: the promised name, where another program took it; ``filename`` is the next free one.
        non_finite: values that were NaN or infinite.
    """

    index: int
    state: str = ""
    path: str = ""
    subfolder: str = ""
    filename: str = ""
    thumbnail: str = ""
    discarded: bool = False
    score: float | None = None
    error: Any = None
    left_out: tuple[str, ...] = ()
    thumbnail_error: str = ""
    renamed_from: str = ""
    non_finite: int = 0

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> JobImage:
        return known(
            cls,
            data,
            index=int(data.get("index", 0)),
            discarded=bool(data.get("discarded")) or data.get("state") == "discarded",
            left_out=tuple(data.get("left_out") or ()),
        )


@dataclass(frozen=True)
class Job:
    """A save job: ``queued``, ``running``, ``done``, ``failed`` or ``cancelled``. ``progress`` is 0..1.

    Attributes:
        target: the configuration's name of an object store; empty: a folder.
        archive: the path of its ZIP, if one was asked for; ``archive_error``: why there is none.
        pictures: of a failed job ``kept`` (it can be retried) or ``given_up``.
        changed: in the answer of a cancel, a retry or a discard: whether it did anything; else None.
        warnings: as in :class:`Submission`.
    """

    job_id: str
    state: str = ""
    progress: float = 0.0
    eta_ms: int | None = None
    attempts: int = 0
    error: Any = None
    archive: str = ""
    images: tuple[JobImage, ...] = ()
    target: str = ""
    archive_error: str = ""
    pictures: str = ""
    changed: bool | None = None
    warnings: tuple[ServerWarning, ...] = ()

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Job:
        images = tuple(JobImage.from_json(item) for item in objects(data, "images"))
        warnings = warnings_of(data)
        return known(cls, data, job_id=str(data["job_id"]), images=images, warnings=warnings)

    @property
    def ended(self) -> bool:
        """Whether nothing more happens to it by itself."""
        return self.state in ("done", "failed", "cancelled")

    @property
    def paths(self) -> tuple[str, ...]:
        """Where the pictures lie that are written."""
        return tuple(image.path for image in self.images if image.path)


@dataclass(frozen=True)
class Event:
    """An event of a subscription.

    ``name`` is what was subscribed to (``job``, ``pool``, ``node``, ``attention``), ``lost`` with ``data["n"]``
    events that had to be dropped, or ``reconnected``: the connection was made anew and events in between are gone.
    """

    name: str
    data: Mapping[str, Any] = field(default_factory=dict)

    @property
    def job(self) -> Job:
        """The job of a ``job`` event."""
        return Job.from_json(self.data)
