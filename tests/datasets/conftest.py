import pytest

pytest.register_assert_rewrite("tests.datasets.contract")


@pytest.fixture
def hub_folder(tmp_path, monkeypatch):
    """An empty Hub cache that the client takes for its own, and an empty course cache; nothing can be downloaded."""
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "course"))
    return tmp_path / "hub"
