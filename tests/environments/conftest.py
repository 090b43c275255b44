"""A person's place beside a bakery whose tables are published; tests make environments of its shelf."""

from dataclasses import dataclass
from pathlib import Path

import pytest
from sluicegate.core.settings import OWN
from sluicegate.environments.record import settings_of

from tests.company import Company
from tests.parses import loaded


@dataclass(frozen=True)
class Desk:
    """A person's place: a copy of the project, and a folder of environments beside it."""

    company: Company
    folder: Path

    def sluice(self, *arguments: str, **more: str) -> tuple[int, str]:
        """Run a command as that person does; return its exit code and all that it wrote."""
        variables = {
            "SLUICE_ENVIRONMENT": "scratch",
            "SLUICE_PUBLISHED_URL": str(self.company.settings.published_url),
            "SLUICE_ENVIRONMENTS_DIR": str(self.folder / "environments"),
            "SLUICE_DATA_DIR": str(self.folder / "own"),
            "SLUICE_PROJECT_DIR": str(self.company.settings.project_dir),
        } | more
        code, written, complained = self.company.sluice_with(variables, *arguments)
        return code, written + complained

    def inside(self, *arguments: str, name: str = "ada") -> tuple[int, str]:
        """Run a command within an environment, in a shell where all else is production's."""
        data_dir = str(self.folder / "environments" / name)
        production = {
            name: str(getattr(self.company.settings, field))
            for name, field in OWN.items()
            if field != "cold_url"
        }
        production["SLUICE_STATE_URL"] = self.company.settings.state_url.get_secret_value()
        said = {"SLUICE_ENVIRONMENT": f"scratch:{name}", "SLUICE_DATA_DIR": data_dir}
        return self.sluice(*arguments, **production, **said)

    def edit(self, name: str, *changes: tuple[str, str]) -> None:
        """Change texts of a file of the project; each must be there."""
        path = self.company.settings.project_dir / name
        text = path.read_text()
        for before, after in changes:
            assert before in text
            text = text.replace(before, after)
        path.write_text(text)

    def environment(self, name: str = "ada") -> Company:
        """Return an environment as a deployment of its own."""
        settings = self.company.settings.model_copy(
            update={"environments_dir": self.folder / "environments", "data_dir": self.folder / "own"}
        )
        return Company(settings_of(settings, name), "", self.folder)


@pytest.fixture
def desk(published_bakery: Company, tmp_path: Path) -> Desk:
    """A person's desk, with a project of their own, which they have looked at before."""
    found = Desk(published_bakery.with_own_project(), tmp_path)
    loaded(found.company.settings.model_copy(update={"data_dir": tmp_path / "own"}))
    return found
