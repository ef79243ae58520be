"""Repositories through the unmodified client: make, find, rename, hide, gate and delete them."""

import json
import os
import subprocess
from pathlib import Path

import huggingface_hub as hf
import pytest
from huggingface_hub.errors import (
    BadRequestError,
    GatedRepoError,
    HfHubHTTPError,
    LocalTokenNotFoundError,
    RepositoryNotFoundError,
)
from huggingface_hub.utils import build_hf_headers, get_session

from course_utils.hub import open_store
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


def test_an_organisation_lists_its_members(hub):
    hub.add_user("me", organisations=["club"])
    hub.add_user("ada", organisations=["club"])
    hub.add_user("bob")
    hf.create_repo("me/hidden", private=True)
    seen = list(hf.list_organization_members("club", token=hub.add_user("bob")))
    assert [(each.username, each.num_models) for each in seen] == [("ada", 0), ("me", 0)]
    assert [each.num_models for each in hf.list_organization_members("club")] == [0, 1]
    for unknown in ("nobody", "me"):
        with pytest.raises(HfHubHTTPError, match="no organisation") as error:
            list(hf.list_organization_members(unknown))
        assert status_of(error) == 404


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
    for bad in (
        "---\nlicense: nonsense\n---\n",
        "\n---\nlicense: 3\n---\n",
        "---\nlicense: [\n---\n",
        "---\nlicense: 3\n---\n",
        "---\n- a\n---\n",
    ):
        with pytest.raises(ValueError, match="card's YAML|must be a text|must be one that the Hub knows"):
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
    hf.upload_file(path_or_fileobj=b"print(1)", path_in_repo="app.py", repo_id="me/app", repo_type="space")
    assert hf.get_space_runtime("me/app").stage == "STOPPED"
    assert hf.pause_space("me/app").stage == "PAUSED"
    assert hf.restart_space("me/app").stage == "STOPPED"
    assert hf.request_space_hardware("me/app", "cpu-upgrade").requested_hardware == "cpu-upgrade"
    assert hf.space_info("me/app").sdk == "gradio"
    stored = json.dumps([each.read_text() for each in hub.root.glob("repositories/spaces/me/*/hub.json")])
    assert "hush" not in stored


def test_a_space_asks_for_hardware_and_for_sleep(hub):
    for name, sdk in (("app", "gradio"), ("page", "static")):
        hf.create_repo(name, repo_type="space", space_sdk=sdk)
    with pytest.warns(UserWarning, match="not configurable"):
        free = hf.request_space_hardware("me/app", "cpu-basic", sleep_time=60)
    assert free.sleep_time == 48 * 3600  # free hardware sleeps after two days, whatever is asked
    paid = hf.request_space_hardware("me/app", hf.SpaceHardware.T4_SMALL)
    hf.request_space_hardware("me/page", "t4-small", sleep_time=300)
    assert (paid.requested_hardware, paid.hardware) == ("t4-small", None)  # asked for; nothing runs here
    assert hf.get_space_runtime("me/page").sleep_time == 300
    hf.create_repo("new", repo_type="space", space_sdk="docker", space_hardware="l4x1", space_sleep_time=600)
    assert (hub.repo("me/new", kind="space").hardware, hf.get_space_runtime("me/new").sleep_time) == (
        "l4x1",
        600,
    )
    for call in (
        lambda: hf.request_space_hardware("me/app", "t4-tiny"),
        lambda: hf.create_repo("odd", repo_type="space", space_sdk="gradio", space_hardware="t4-tiny"),
        lambda: hf.pause_space("me/page"),
        lambda: hf.restart_space("me/page"),
    ):
        with pytest.raises(BadRequestError):
            call()
    assert not hub.repo("me/odd", kind="space").exists


def test_a_secret_of_a_space_is_never_read_again(hub):
    hf.create_repo("app", repo_type="space", space_sdk="gradio")
    hf.add_space_secret("me/app", "KEY", "hush-hush")
    hf.add_space_variable("me/app", "MODEL", "me/thing")
    seen = hub.repo("me/app", kind="space")
    assert (seen.secrets, seen.variables, seen.hardware) == (("KEY",), {"MODEL": "me/thing"}, "cpu-basic")
    for path in ("secrets", "variables", "runtime", ""):
        answer = get_session().get(
            f"{hub.url}/api/spaces/me/app/{path}".rstrip("/"), headers=build_hf_headers()
        )
        assert answer.status_code == 200 and "hush-hush" not in answer.text
    taken = hub.snapshot()
    assert "hush-hush" not in repr(taken) and open_store(taken).repo("me/app", kind="space").secrets == (
        "KEY",
    )
    hub.add_user("eve")
    with hub.as_user("eve"), pytest.raises(HfHubHTTPError):
        hf.get_space_secrets("me/app")


def test_what_is_left_out_says_so(hub):
    hf.create_repo("thing")
    for call in (
        lambda: list(hf.list_jobs()),
        lambda: hf.duplicate_repo("me/thing", "me/other"),
        lambda: list(hf.list_lfs_files("me/thing")),
        lambda: list(hf.list_user_followers("me")),
        lambda: hf.create_bucket("mine"),
    ):
        with pytest.raises(HfHubHTTPError, match="The local Hub has no") as error:
            call()
        assert status_of(error) == 501


def test_git_over_http_says_that_there_is_none(hub, tmp_path):
    hf.create_repo("thing")
    for address in ("me/thing", "me/thing.git", "datasets/me/thing"):
        done = subprocess.run(
            ["git", "clone", "-q", f"{hub.url}/{address}", str(tmp_path / "copy")],
            capture_output=True,
            text=True,
            env={"PATH": os.environ["PATH"], "no_proxy": "127.0.0.1", "LC_ALL": "C"},
        )
        assert "no git over HTTP" in done.stderr and "501" in done.stderr and "not found" not in done.stderr


def test_likes(hub):
    hub.seed("ada/thing", {"a.txt": "a"})
    hub.seed("ada/secret", {"a.txt": "a"}, private=True)
    session, headers = hf.get_session(), {"Authorization": f"Bearer {hub.token}"}
    assert session.post(f"{hub.url}/api/models/ada/thing/like").status_code == 401
    for _ in range(2):
        session.post(f"{hub.url}/api/models/ada/thing/like", headers=headers).raise_for_status()
    assert session.post(f"{hub.url}/api/models/ada/secret/like", headers=headers).status_code == 404
    assert [each.username for each in hf.list_repo_likers("ada/thing")] == ["me"]
    assert hf.list_liked_repos("me").models == ["ada/thing"] and hf.model_info("ada/thing").likes == 1
    with hub.as_user("ada"):
        hf.move_repo("ada/thing", "ada/other")
    assert hf.list_liked_repos().models == ["ada/other"]
    with hub.as_user("ada"):
        hf.update_repo_settings("ada/other", private=True)
    assert hf.list_liked_repos("me").models == []  # what one may not see, one doesn't see
    with hub.as_user("ada"):
        hf.update_repo_settings("ada/other", private=False)
    hf.unlike("ada/other")
    assert hf.list_liked_repos("me").total == 0 and list(hf.list_repo_likers("ada/other")) == []


def test_collections(hub):
    hub.seed("ada/thing", {"a.txt": "a"})
    hub.seed("me/talks", {"a.txt": "a"}, kind="dataset")
    hub.seed("me/secret", {"a.txt": "a"}, private=True)
    made = hf.create_collection("My things", description="All of them")
    assert made.slug.startswith("me/my-things-") and made.owner == "me" and made.url.startswith(hub.url)
    assert hf.create_collection("My things", exists_ok=True).slug == made.slug
    with pytest.raises(HfHubHTTPError):
        hf.create_collection("My things")
    for identifier, kind in (("ada/thing", "model"), ("me/talks", "dataset"), ("me/secret", "model")):
        found = hf.add_collection_item(made.slug, identifier, kind, note=f"The {kind}")
    assert [(each.item_id, each.position) for each in found.items] == [
        ("ada/thing", 0),
        ("me/talks", 1),
        ("me/secret", 2),
    ]
    with pytest.raises(HfHubHTTPError) as error:
        hf.add_collection_item(made.slug, "ada/thing", "model")
    assert status_of(error) == 409
    hf.add_collection_item(made.slug, "ada/thing", "model", exists_ok=True)
    with pytest.raises(RepositoryNotFoundError):
        hf.add_collection_item(made.slug, "me/nothing", "model")
    hf.update_collection_item(made.slug, found.items[1].item_object_id, note="First", position=0)
    hf.delete_collection_item(made.slug, found.items[0].item_object_id)
    hf.delete_collection_item(made.slug, found.items[0].item_object_id, missing_ok=True)
    assert [(each.item_id, each.note) for each in hf.get_collection(made.slug).items] == [
        ("me/talks", "First"),
        ("me/secret", "The model"),
    ]
    renamed = hf.update_collection_metadata(made.slug, title="Our things", theme="pink", private=False)
    assert renamed.slug.startswith("me/our-things-") and renamed.theme == "pink"
    assert hf.get_collection(made.slug).title == "Our things"  # the old address goes on
    assert [each.slug for each in hf.list_collections(owner="me", item="datasets/me/talks")] == [renamed.slug]
    assert list(hf.list_collections(owner="ada")) == []
    with hub.as_user("ada"):
        assert [each.item_id for each in hf.get_collection(made.slug).items] == ["me/talks"]
        for call in (
            lambda: hf.delete_collection(made.slug),
            lambda: hf.update_collection_metadata(made.slug, title="Mine"),
        ):
            with pytest.raises(HfHubHTTPError) as error:
                call()
            assert status_of(error) == 403
    hf.update_collection_metadata(made.slug, private=True)
    with hub.as_user("ada"), pytest.raises(HfHubHTTPError) as error:
        hf.get_collection(made.slug)
    assert status_of(error) == 404
    hf.delete_collection(made.slug)
    hf.delete_collection(made.slug, missing_ok=True)
    assert list(hf.list_collections()) == []


def test_webhooks_are_kept(hub):
    """Kept and shown; nobody is called."""
    watched = [{"type": "user", "name": "me"}, hf.WebhookWatchedItem(type="model", name="me/thing")]
    made = hf.create_webhook(url="http://127.0.0.1/x", watched=watched, secret="hush")
    assert (made.url, made.secret, made.disabled) == ("http://127.0.0.1/x", "hush", False)
    assert [each.name for each in made.watched] == ["me", "me/thing"] and made.domains == [
        "repo",
        "discussion",
    ]
    assert hf.get_webhook(made.id) == made and hf.list_webhooks() == [made]
    assert hf.disable_webhook(made.id).disabled and not hf.enable_webhook(made.id).disabled
    changed = hf.update_webhook(made.id, url="http://127.0.0.1/y", domains=["repo"])
    assert (changed.url, changed.domains, changed.watched) == ("http://127.0.0.1/y", ["repo"], made.watched)
    hub.add_user("ada")
    with hub.as_user("ada"):
        assert hf.list_webhooks() == []
        with pytest.raises(HfHubHTTPError) as error:
            hf.delete_webhook(made.id)
        assert status_of(error) == 404
    hf.delete_webhook(made.id)
    assert hf.list_webhooks() == []


@pytest.mark.parametrize("revision", ["main", "refs/pr/1"])
def test_squashing(hub, revision):
    hub.seed("me/thing", {"a.txt": "a"})
    hf.create_commit(
        "me/thing", [hf.CommitOperationAdd("b.txt", b"b")], commit_message="Say b", create_pr=True
    )
    before = hub.repo("me/thing").files(revision)
    hf.super_squash_history("me/thing", branch=revision, commit_message="All in one")
    view = hub.repo("me/thing")
    assert [each.title for each in view.commits(revision)] == ["All in one"] and view.files(
        revision
    ) == before


def test_names_without_an_owner(hub):
    """As the real Hub has it: there is no such repository, and the client says that and nothing of the internet."""
    for call in (
        lambda: hf.model_info("gpt2"),
        lambda: hf.dataset_info("squad"),
        lambda: hf.hf_hub_download("gpt2", "config.json"),
        lambda: hf.list_repo_files("gpt2"),
    ):
        with pytest.raises(RepositoryNotFoundError):
            call()
    assert not hf.repo_exists("my-model") and not hf.file_exists("my-model", "config.json")


def test_how_gated_requests_show_an_address(hub):
    """Who asks shares an address with the owner; who was let in unasked has not."""
    hub.seed("ada/gated", {"a.txt": "a"}, gated="manual")
    ask(hub, "me", "ada/gated")
    hub.add_user("eve")
    with hub.as_user("ada"):
        hf.grant_access("ada/gated", "eve")
        assert [each.email for each in hf.list_pending_access_requests("ada/gated")] == ["me@hub.local"]
        assert [each.email for each in hf.list_accepted_access_requests("ada/gated")] == [None]


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
