"""The loaders: inputs and outputs are those of ComfyUI's own, so that a saved workflow only changes the class."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from . import names, service
from .clip_proxy import LunaCLIP
from .fallback import Fallback
from .linked import is_linked, is_linked_in, running_prompt
from .refusal import LunaRefusalError
from .vae_proxy import LunaVAE

CATEGORY = "luna/loaders"

_DEVICE = "On luna the server's pools decide. This counts where ComfyUI encodes itself."
_TYPE = "What the files are for, as in ComfyUI's own loader: luna and ComfyUI make the encoder of this type."
_identities = names.Identities()

#: A choice of the stock VAE loader that is no file: it has no weights, and nothing of it is luna's.
_PIXELS = "pixel_space"


def _combo(luna: service.Service, shelf: names.Shelf, name: str, tooltip: str) -> io.Combo.Input:
    return io.Combo.Input(name, options=names.offered(luna, shelf), tooltip=tooltip)


class LunaCLIPLoader(io.ComfyNode):
    """As CLIPLoader; the CLIP encodes on luna."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        luna = service.get()
        return io.Schema(
            node_id="LunaCLIPLoader",
            display_name="Load CLIP (luna)",
            category=CATEGORY,
            description="A text encoder of one file that works on the luna server.",
            inputs=[
                _combo(luna, names.TEXT, "clip_name", "The text encoder's file."),
                _type(luna, "CLIPLoader"),
                _device(luna, "CLIPLoader"),
            ],
            outputs=[io.Clip.Output()],
        )

    @classmethod
    def validate_inputs(cls, clip_name: str) -> bool:
        return True  # luna may have got the file a moment ago: execute says what is wrong

    @classmethod
    def fingerprint_inputs(cls, clip_name: str, **_others: Any) -> str:
        return _identities.of(service.get(), names.TEXT, clip_name)

    @classmethod
    def execute(
        cls, clip_name: str, type: str = "stable_diffusion", device: str = "default"
    ) -> io.NodeOutput:
        return io.NodeOutput(_clip((clip_name,), type, device))


class LunaDualCLIPLoader(io.ComfyNode):
    """As DualCLIPLoader; the CLIP encodes on luna."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        luna = service.get()
        return io.Schema(
            node_id="LunaDualCLIPLoader",
            display_name="Load CLIP, two files (luna)",
            category=CATEGORY,
            description="A text encoder of two files that works on the luna server.",
            inputs=[
                _combo(luna, names.TEXT, "clip_name1", "The first file."),
                _combo(luna, names.TEXT, "clip_name2", "The second file."),
                _type(luna, "DualCLIPLoader"),
                _device(luna, "DualCLIPLoader"),
            ],
            outputs=[io.Clip.Output()],
        )

    @classmethod
    def validate_inputs(cls, clip_name1: str, clip_name2: str) -> bool:
        return True

    @classmethod
    def fingerprint_inputs(cls, clip_name1: str, clip_name2: str, **_others: Any) -> str:
        luna = service.get()
        return " ".join(_identities.of(luna, names.TEXT, name) for name in (clip_name1, clip_name2))

    @classmethod
    def execute(
        cls, clip_name1: str, clip_name2: str, type: str, device: str = "default"
    ) -> io.NodeOutput:
        return io.NodeOutput(_clip((clip_name1, clip_name2), type, device))


class LunaVAELoader(io.ComfyNode):
    """As VAELoader; the VAE works on luna."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LunaVAELoader",
            display_name="Load VAE (luna)",
            category=CATEGORY,
            description="A VAE that works on the luna server.",
            inputs=[_combo(service.get(), names.VAES, "vae_name", "The VAE's file.")],
            outputs=[io.Vae.Output()],
        )

    @classmethod
    def validate_inputs(cls, vae_name: str) -> bool:
        return True

    @classmethod
    def fingerprint_inputs(cls, vae_name: str) -> str:
        return _identities.of(service.get(), names.VAES, vae_name)

    @classmethod
    def execute(cls, vae_name: str) -> io.NodeOutput:
        luna = service.get()
        if vae_name == _PIXELS:
            return io.NodeOutput(luna.host.load_vae(vae_name))
        names.check(luna, names.VAES, [vae_name], vae_name)
        model = vae_name.replace("\\", "/")
        return io.NodeOutput(
            LunaVAE(Fallback(luna, model, "vae", vae_name, lambda: luna.host.load_vae(vae_name)))
        )


class LunaCheckpointLoader(io.ComfyNode):
    """As CheckpointLoaderSimple; CLIP and VAE work on luna, MODEL is loaded here when something takes it."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LunaCheckpointLoader",
            display_name="Load Checkpoint (luna)",
            category=CATEGORY,
            description=(
                "MODEL is loaded into this ComfyUI, without CLIP and VAE, and only when its output is linked."
                " CLIP and VAE work on the luna server."
            ),
            inputs=[
                _combo(service.get(), names.CHECKPOINTS, "ckpt_name", "The checkpoint's file.")
            ],
            outputs=[io.Model.Output(), io.Clip.Output(), io.Vae.Output()],
            hidden=[io.Hidden.unique_id, io.Hidden.dynprompt],
        )

    @classmethod
    def validate_inputs(cls, ckpt_name: str) -> bool:
        return True

    @classmethod
    def fingerprint_inputs(cls, ckpt_name: str) -> str:
        prompt, node = running_prompt(), cls.hidden.unique_id if cls.hidden else None
        # a node that is not in the prompt was added by another: then the MODEL is always loaded
        linked = not prompt or node not in prompt or is_linked(prompt, node, 0)
        identity = _identities.of(service.get(), names.CHECKPOINTS, ckpt_name)
        return f"{identity} {'with' if linked else 'without'} MODEL"

    @classmethod
    def execute(cls, ckpt_name: str) -> io.NodeOutput:
        luna = service.get()
        model = "checkpoints:" + ckpt_name.replace("\\", "/")
        names.check(luna, names.CHECKPOINTS, [ckpt_name], model)
        local = luna.host.load_checkpoint
        unet = None
        if cls._wants_model():
            _check_model(luna, ckpt_name)
            unet = local(ckpt_name, model=True)[0]
        clip = Fallback(
            luna, model, "text", ckpt_name, lambda: _part(local(ckpt_name, clip=True)[1], "CLIP")
        )
        vae = Fallback(luna, model, "vae", ckpt_name, lambda: local(ckpt_name, vae=True)[2])
        return io.NodeOutput(unet, LunaCLIP(clip), LunaVAE(vae))

    @classmethod
    def _wants_model(cls) -> bool:
        hidden = cls.hidden
        if hidden is None or hidden.dynprompt is None or hidden.unique_id is None:
            return True
        return is_linked_in(hidden.dynprompt, hidden.unique_id, 0)


def _check_model(luna: service.Service, ckpt_name: str) -> None:
    if not names.is_local(luna, names.CHECKPOINTS, ckpt_name):
        raise LunaRefusalError(
            f"{ckpt_name}: MODEL is linked, and ComfyUI's folder 'checkpoints' does not have the file; luna's copy"
            " serves CLIP and VAE only. Put it there, or take MODEL from another loader."
        )


def _type(luna: service.Service, stock: str) -> io.Combo.Input:
    return io.Combo.Input("type", options=luna.host.input_options(stock, "type"), tooltip=_TYPE)


def _device(luna: service.Service, stock: str) -> io.Combo.Input:
    options = luna.host.input_options(stock, "device")
    return io.Combo.Input("device", options=options, optional=True, tooltip=_DEVICE)


def _clip(files: tuple[str, ...], clip_type: str, device: str) -> LunaCLIP:
    luna = service.get()
    model = {"type": clip_type, "files": [name.replace("\\", "/") for name in files]}
    names.check(luna, names.TEXT, files, model)
    title = " + ".join(files)

    def load() -> Any:
        return luna.host.load_clip(files, clip_type, device)

    return LunaCLIP(Fallback(luna, model, "text", title, load), clip_type)


def _part(value: Any, what: str) -> Any:
    if value is None:
        raise ValueError(f"the checkpoint has no {what}")
    return value


NODES = [LunaCLIPLoader, LunaDualCLIPLoader, LunaVAELoader, LunaCheckpointLoader]
