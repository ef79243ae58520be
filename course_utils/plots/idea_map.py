"""The families of generative models on one page, and what gave an idea to what."""

from course_utils.plots.drawings import Arrow, Box, draw

#: family -> (x, y of its box, the paper, what is minimised or maximised)
FAMILIES = {
    "VAE": (14, 50, "Kingma and Welling 2014", "a lower bound of log p(x)"),
    "GAN": (14, 30, "Goodfellow et al. 2014", "a game with a critic"),
    "diffusion": (50, 50, "Ho et al. 2020", "how well noise is undone"),
    "Transformer": (50, 30, "Vaswani et al. 2017", "no loss: a way to mix places"),
    "language model": (88, 30, "Radford et al. 2018", "exact log p(next token)"),
    "preference tuning": (88, 11, "Rafailov et al. 2023 (DPO)", "chosen over rejected"),
    "autoencoding text": (50, 11, "Devlin et al. 2019 (BERT)", "log p(hidden tokens)"),
    "text to image": (88, 50, "Rombach et al. 2022", "diffusion in a VAE's codes"),
}
_IDEAS = (
    Arrow("VAE", "diffusion", "a bound", shift=(0, 1.8)),
    Arrow("diffusion", "text to image", "denoising", shift=(0, 1.8)),
    Arrow("Transformer", "language model", "attention", shift=(0, 1.8)),
    Arrow("Transformer", "autoencoding text", "attention", shift=(7, 0)),
    Arrow("language model", "preference tuning", "a start and a reference", shift=(12, 0)),
    Arrow("language model", "text to image", "reads the wish", shift=(8, 0)),
    Arrow("GAN", "VAE", "sharper pictures", dashed=True, shift=(9, 0)),
)


def families():
    """The map as a matplotlib Figure; dashed: was combined with it rather than grew out of it."""
    boxes = {
        name: Box(x, y, f"{name}\n{paper}\n{aim}", width=25, height=11)
        for name, (x, y, paper, aim) in FAMILIES.items()
    }
    return draw(boxes, _IDEAS, "Generative models: who gave an idea to whom, and what each one optimises")
