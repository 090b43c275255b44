"""The demo company's people: who is cleared for them, and a pull request that sends them elsewhere."""

import shutil

import pytest
from sluicegate.core.column_origins import Place
from sluicegate.core.relations import Relation
from sluicegate.core.settings import REPOSITORY

from tests.columns.conftest import Edited

STORES = "dbt_project/models/staging/stg_stores.sql"
DESCRIBED = "dbt_project/models/staging/_models.yml"
pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Edited:
    folder = tmp_path_factory.mktemp("marketplace")
    for name in ("contracts", "dbt_project", "expectations", "exports"):
        shutil.copytree(REPOSITORY / name, folder / "project" / name, ignore=shutil.ignore_patterns("target"))
    return Edited(folder / "project", folder / "data")


def fields(demo: Edited, class_: str) -> list[str]:
    project = demo.load()
    return [str(place) for place in project.columns.fields() if class_ in project.classes.of(place)]


def test_one_export_is_cleared_for_people_and_their_licence_goes_masked(demo: Edited) -> None:
    project = demo.load()
    assert fields(demo, "personal") == ["delivered.exp_missing_items_messaging.email"]
    assert fields(demo, "internal") == ["delivered.exp_store_gaps_crm.Licensee_Key__c"]
    assert project.classes.of(Place(Relation("raw", "stores"), "licensee")) == {"internal"}
    hidden = {relation: columns for relation, columns in project.classified_columns.items() if columns}
    assert hidden == {
        "raw.stores": {"contact_name", "contact_email"},
        "staging.stg_stores": {"contact_email"},
        "exports.exp_missing_items_messaging": {"contact_email"},
        "delivered.exp_missing_items_messaging": {"email"},
    }


def test_a_clever_pull_request_that_sends_them_elsewhere_is_refused(demo: Edited) -> None:
    """By another name, hashed, as what a condition decides, and with a word in dbt that says it is public."""
    demo.edit(
        STORES,
        ("{{ tidy_text('store_name') }} as store_name",
         "{{ tidy_text('store_name') }} || sha256(contact_email) as store_name"),
        ("{{ tidy_text('city') }} as city",
         "case when contact_email like 'alex%' then 'X' else {{ tidy_text('city') }} end as city"),
    )  # fmt: skip
    name = "      - name: store_name\n        data_type: varchar\n"
    demo.edit(DESCRIBED, (name, f"{name}        config: {{meta: {{classification: public}}}}\n"))
    told = demo.told()
    assert [
        text.partition("; expected")[0].partition(": column ")[2] for text in told if DESCRIBED in text
    ] == [
        "`store_name` of `stg_stores` is said to be public, but it is personal: raw.stores.contact_email →"
        " staging.stg_stores.store_name (transformation)"
    ]
    said = [text.partition(": raw.")[0].split(": field ") for text in told if "field " in text]
    assert {(place.partition(":")[0], what) for place, what in said} == {
        ("exports/exp_store_gaps_crm.yml", "`Name` is personal"),
        ("exports/exp_store_gaps_crm.yml", "`Market__c` is personal"),
        ("exports/exp_top_items_retailer_app.yml", "`city` is personal"),
        ("exports/exp_top_items_partner_drop.yml", "`city` is personal"),
        ("exports/exp_city_gaps_telemetry.yml", "`city` is personal"),
        ("exports/exp_wide_gaps_partner_hook.yml", "`city` is personal"),
        ("exports/exp_vendor_gaps_marketing.yml", "`cities_with_gaps` is personal"),
    }
