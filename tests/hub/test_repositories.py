"""Repositories through the unmodified client: make, find, rename, hide, gate and delete them."""

import json
from pathlib import Path

import huggingface_hub as hf
import pytest
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    LocalTokenNotFoundError,
    RepositoryNotFoundError,
)

from tests.hub.conftest import assert_sound, git


def status_of(error):
    return error.value.response.status_code


def test_who_am_i(hub):
    me = hf.whoami()
    assert (me["name"], me["type"], me["auth"]["accessToken"]["role"]) == ("me", "user", "write")


def test_a_wrong_token_is_refused_in_the_clients_own_words(hub):
    with pytest.raises(HfHubHTTPError, match="Invalid user token") as error:
        hf.whoami(token="hf_nonsense")
    assert status_of(error) == 401


def test_login_and_logout(hub, tmp_path):
    token = hub.add_user("ada")
    hf.login(token=token, add_to_git_credential=False, skip_if_logged_in=False)
    assert hf.whoami()["name"] == "ada"
    hf.logout()
    assert hf.get_token() is None
    with pytest.raises(LocalTokenNotFoundError):
        hf.whoami()


@pytest.mark.parametrize(
    ("kind", "more", "web"),
    [
        ("model", {}, "/me/thing"),
        ("dataset", {}, "/datasets/me/thing"),
        ("space", {"space_sdk": "gradio"}, "/spaces/me/thing"),
    ],
)
def test_create_each_kind(hub, kind, more, web):
    url = hf.create_repo("thing", repo_type=kind, **more)
    assert (str(url), url.repo_id, url.repo_type) == (hub.url + web, "me/thing", kind)
    made = hub.repo("me/thing", kind)
    assert made.exists and not made.private and made.commits()[0].title == "initial commit"
    assert ".gitattributes" in made.files()
    assert made.sdk == more.get("space_sdk")
    with pytest.raises(HfHubHTTPError) as error:
        hf.create_repo("me/thing", repo_type=kind, **more)
    assert status_of(error) == 409
    hf.create_repo("thing", repo_type=kind, exist_ok=True, **more)
    assert_sound(hub)


def test_names_are_one_whatever_their_case(hub):
    hf.create_repo("Thing")
    with pytest.raises(HfHubHTTPError, match="already created"):
        hf.create_repo("thing")
    assert hub.repo("me/THING").id == "me/Thing"


def test_somebody_elses_namespace_is_closed(hub):
    hub.add_user("ada")
    with pytest.raises(HfHubHTTPError, match="namespace") as error:
        hf.create_repo("ada/thing")
    assert status_of(error) == 403


def test_an_organisation_belongs_to_its_members(hub):
    hub.add_user("me", organisations=["club"])
    hf.create_repo("club/thing")
    assert [each["name"] for each in hf.whoami()["orgs"]] == ["club"]
    assert hub.repo("club/thing").may_write("me")


def test_a_read_token_reads(hub):
    hub.seed("me/thing", {"a.txt": "a"}, private=True)
    reader = hub.add_user("me", role="read")
    assert hf.file_exists("me/thing", "a.txt", token=reader)
    with pytest.raises(HfHubHTTPError, match="may only read") as error:
        hf.upload_file(path_or_fileobj=b"b", path_in_repo="b.txt", repo_id="me/thing", token=reader)
    assert status_of(error) == 403
    with pytest.raises(HfHubHTTPError) as error:
        hf.create_repo("other", token=reader)
    assert status_of(error) == 403


def test_delete(hub):
    hf.create_repo("thing")
    hf.delete_repo("me/thing")
    assert not hub.repo("me/thing").exists
    assert not hf.repo_exists("me/thing")
    with pytest.raises(RepositoryNotFoundError):
        hf.delete_repo("me/thing")
    hf.delete_repo("me/thing", missing_ok=True)
    hf.create_repo("thing")


def test_a_private_repository_is_not_there_for_others(hub, tmp_path):
    hub.seed("ada/secret", {"a.txt": "a"}, private=True)
    with pytest.raises(RepositoryNotFoundError) as error:
        hf.hf_hub_download("ada/secret", "a.txt", local_dir=tmp_path)
    assert status_of(error) == 404
    with hub.as_user(None), pytest.raises(RepositoryNotFoundError) as error:
        hf.hf_hub_download("ada/secret", "a.txt", local_dir=tmp_path)
    assert status_of(error) == 401
    with hub.as_user("ada"):
        assert Path(hf.hf_hub_download("ada/secret", "a.txt")).read_text() == "a"
        assert [each.id for each in hf.list_models()] == ["ada/secret"]
    assert list(hf.list_models()) == []
    view = hub.repo("ada/secret")
    assert (view.may_read("ada"), view.may_read("me"), view.may_read(None)) == (True, False, False)


def test_a_missing_repository_looks_the_same_as_a_private_one(hub):
    with pytest.raises(RepositoryNotFoundError) as error:
        hf.model_info("ada/nothing")
    assert status_of(error) == 404
    with pytest.raises(RepositoryNotFoundError) as error:
        hf.model_info("ada/nothing", token=False)
    assert status_of(error) == 401


def test_visibility_can_be_changed(hub):
    hf.create_repo("thing", private=True)
    assert hub.repo("me/thing").private and hf.model_info("me/thing").private
    hf.update_repo_settings("me/thing", private=False)
    assert not hub.repo("me/thing").private
    assert hf.model_info("me/thing", token=False).id == "me/thing"


def test_a_gate_that_people_guard(hub, tmp_path):
    hub.seed("ada/gated", {"a.txt": "a"}, gated="manual")
    assert hf.model_info("ada/gated").gated == "manual"  # its page is open
    assert "a.txt" in hf.list_repo_files("ada/gated")
    with pytest.raises(GatedRepoError) as error:
        hf.hf_hub_download("ada/gated", "a.txt")
    assert status_of(error) == 403
    with hub.as_user(None), pytest.raises(GatedRepoError) as error:
        hf.hf_hub_download("ada/gated", "a.txt")
    assert status_of(error) == 401
    with pytest.raises(GatedRepoError):
        hf.auth_check("ada/gated")

    ask(hub, "me", "ada/gated")
    with hub.as_user("ada"):
        assert [each.username for each in hf.list_pending_access_requests("ada/gated")] == ["me"]
        hf.accept_access_request("ada/gated", "me")
        with pytest.raises(HfHubHTTPError) as error:
            hf.accept_access_request("ada/gated", "me")
        assert status_of(error) == 404
    assert hub.repo("ada/gated").access == {"me": "accepted"}
    hf.auth_check("ada/gated")
    assert Path(hf.hf_hub_download("ada/gated", "a.txt")).read_text() == "a"
    with hub.as_user("ada"):
        hf.reject_access_request("ada/gated", "me", rejection_reason=None)
        assert [each.status for each in hf.list_rejected_access_requests("ada/gated")] == ["rejected"]
    with pytest.raises(GatedRepoError):
        hf.auth_check("ada/gated")


def ask(hub, user, repository):
    """Press the button on the repository's page."""
    from huggingface_hub.utils import build_hf_headers, get_session

    answer = get_session().post(f"{hub.url}/{repository}/ask-access", headers=build_hf_headers())
    answer.raise_for_status()


def test_a_gate_that_opens_by_itself_and_access_that_is_granted(hub):
    hub.seed("ada/auto", {"a.txt": "a"}, gated="auto")
    ask(hub, "me", "ada/auto")
    hf.auth_check("ada/auto")
    hub.seed("ada/manual", {"a.txt": "a"}, gated="manual")
    with hub.as_user("ada"):
        hf.grant_access("ada/manual", "me")
        with pytest.raises(HfHubHTTPError, match="has access already"):
            hf.grant_access("ada/manual", "me")
        with pytest.raises(HfHubHTTPError, match="no user"):
            hf.grant_access("ada/manual", "nobody")
    hf.auth_check("ada/manual")
    hf.create_repo("open")
    with pytest.raises(HfHubHTTPError, match="not gated"):
        hf.grant_access("me/open", "ada")


def test_a_moved_repository_is_found_by_its_old_name(hub):
    hub.seed("me/old", {"a.txt": "a"})
    hf.move_repo("me/old", "me/new")
    assert hf.model_info("me/old").id == "me/new"
    assert Path(hf.hf_hub_download("me/old", "a.txt")).read_text() == "a"
    hf.create_repo("taken")
    with pytest.raises(HfHubHTTPError, match="already exists") as error:
        hf.move_repo("me/new", "me/taken")
    assert status_of(error) == 409
    hf.create_repo("old")  # the old name may be used again, and then it is the new one's
    assert hf.model_info("me/old").id == "me/old"
    assert_sound(hub)


def test_search_filter_sort_and_limit(hub):
    cards = {
        "summary-fr": "license: mit\nlanguage: fr\npipeline_tag: summarization\nlibrary_name: transformers",
        "summary-en": "license: apache-2.0\nlanguage: [en, de]\npipeline_tag: summarization\ndatasets: [me/talks]",
        "names": "license: mit\ntags: [tokens, course]\nbase_model: course/mini-bert",
    }
    for name, head in cards.items():
        hub.seed(f"me/{name}", {"README.md": f"---\n{head}\n---\n# {name}\n"})

    def found(**how):
        return [each.id.removeprefix("me/") for each in hf.list_models(**how)]

    assert sorted(found()) == ["names", "summary-en", "summary-fr"]
    assert found(search="summ fr") == ["summary-fr"]
    assert found(filter="license:mit", search="summary") == ["summary-fr"]
    assert found(filter=["summarization", "de"]) == ["summary-en"]
    assert found(pipeline_tag="summarization", filter="transformers") == ["summary-fr"]
    assert found(trained_dataset="me/talks") == ["summary-en"]
    assert found(filter="base_model:course/mini-bert") == ["names"]
    assert found(author="nobody") == []
    assert len(found(limit=2)) == 2
    assert found(sort="created_at", limit=1) != []
    assert found(gated=True) == []
    one = next(iter(hf.list_models(search="fr", cardData=True)))
    assert one.card_data["license"] == "mit" and "license:mit" in one.tags
    assert next(iter(hf.list_models(search="fr", expand=["downloads"]))).downloads == 0
    info = hf.model_info("me/names")
    assert info.card_data.base_model == "course/mini-bert" and info.sha == hub.repo("me/names").head()


def test_datasets_are_filtered_by_their_own_tags(hub):
    head = "license: mit\nlanguage: fr\ntask_categories: [summarization]\nsize_categories: [1K<n<10K]"
    hub.seed("me/talks", {"README.md": f"---\n{head}\n---\n"}, kind="dataset")
    hub.seed("me/other", {"README.md": "---\nlicense: mit\n---\n"}, kind="dataset")
    for how in (
        {"language": "fr"},
        {"task_categories": "summarization"},
        {"filter": "license:mit", "dataset_name": "talks"},
    ):
        assert [each.id for each in hf.list_datasets(**how)] == ["me/talks"]


def test_many_repositories_come_in_pages(hub, monkeypatch):
    from course_utils.hub.server import repository_routes

    monkeypatch.setattr(repository_routes, "PAGE", 3)
    for number in range(8):
        hub.seed(f"me/thing-{number}", {"a.txt": "a"})
    before = len(hub.events)
    assert len(list(hf.list_models(author="me"))) == 8
    assert len(hub.events) - before == 3
    assert len(list(hf.list_models(author="me", limit=4))) == 4


def test_the_card_is_checked_before_it_is_committed(hub):
    hf.create_repo("thing")
    good = hf.ModelCard("---\nlicense: mit\n---\n# A thing\n")
    good.validate()
    good.push_to_hub("me/thing")
    assert hub.repo("me/thing").card().data == {"license": "mit"}
    hf.metadata_update("me/thing", {"language": "fr"})
    assert hub.repo("me/thing").card().tags == ("license:mit", "fr")
    for bad in ("---\nlicense: [\n---\n", "---\nlicense: 3\n---\n", "---\n- a\n---\n"):
        with pytest.raises(ValueError, match="card's YAML|must be a text"):
            hf.upload_file(path_or_fileobj=bad.encode(), path_in_repo="README.md", repo_id="me/thing")
    assert len(hub.repo("me/thing").commits()) == 3


def test_a_card_made_from_the_librarys_template(hub):
    hf.create_repo("thing")
    result = hf.EvalResult(
        task_type="summarization",
        dataset_type="course/dialogues",
        dataset_name="Saltmarsh",
        metric_type="rouge",
        metric_value=0.5,
    )
    data = hf.ModelCardData(language="en", license="mit", model_name="thing", eval_results=[result])
    hf.ModelCard.from_template(data, model_id="thing").push_to_hub("me/thing")
    info = hf.model_info("me/thing")
    assert info.card_data.eval_results[0].metric_value == 0.5
    assert hub.repo("me/thing").card().data["model-index"][0]["name"] == "thing"


def test_a_space_has_variables_secrets_and_a_runtime_that_runs_nothing(hub):
    hf.create_repo(
        "app", repo_type="space", space_sdk="gradio", space_secrets=[{"key": "KEY", "value": "hush"}]
    )
    hf.add_space_variable("me/app", "MODEL", "me/thing", description="what it shows")
    assert hf.get_space_variables("me/app")["MODEL"].value == "me/thing"
    assert list(hf.get_space_secrets("me/app")) == ["KEY"]
    hf.delete_space_secret("me/app", "KEY")
    assert hf.get_space_secrets("me/app") == {}
    assert hf.delete_space_variable("me/app", "MODEL") == {}
    assert hf.get_space_runtime("me/app").stage == "NO_APP_FILE"
    assert hf.pause_space("me/app").stage == "PAUSED"
    assert hf.request_space_hardware("me/app", "cpu-upgrade").requested_hardware == "cpu-upgrade"
    assert hf.space_info("me/app").sdk == "gradio"
    stored = json.dumps([each.read_text() for each in hub.root.glob("repositories/spaces/me/*/hub.json")])
    assert "hush" not in stored


def test_what_is_left_out_says_so(hub):
    for call in (
        lambda: hf.create_collection("mine"),
        lambda: hf.get_collection("me/mine-1"),
        lambda: list(hf.list_jobs()),
        lambda: hf.create_webhook(url="http://127.0.0.1", watched=[{"type": "user", "name": "me"}]),
    ):
        with pytest.raises(HfHubHTTPError, match="The local Hub has no"):
            call()


def test_a_repository_is_a_git_repository(hub, tmp_path):
    hub.seed("me/thing", {"a.txt": "a", "deep/down/b.txt": "b", "model.safetensors": b"\0" * 5000}, tag="v1")
    folder = next(hub.root.glob("repositories/models/me/thing.git"))
    git(tmp_path, "clone", "-q", str(folder), "copy")
    assert (tmp_path / "copy" / "deep" / "down" / "b.txt").read_text() == "b"
    assert "oid sha256:" in (tmp_path / "copy" / "model.safetensors").read_text()
    log = git(tmp_path / "copy", "log", "--format=%H %an %s").splitlines()
    assert [line.split()[0] for line in log] == [each.id for each in hub.repo("me/thing").commits()]
    assert git(tmp_path / "copy", "tag").split() == ["v1"]
    assert_sound(hub)
