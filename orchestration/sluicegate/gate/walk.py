"""The walk up the chain of evidence: what a partition is made of, link by link, and what is wrong with it.

Belongs here: which links there are, and when one of them holds. Does not belong here: who asks, and releases
(`gate`); words and commands (`findings`).
"""

from collections.abc import Collection, Mapping

from sluicegate.contracts.model import CONTRACT_CHECK
from sluicegate.core.lineage import Lineage, Table
from sluicegate.gate.findings import Finding, Verdict
from sluicegate.gate.links import absence, link, named, of_check, of_error, short
from sluicegate.gate.on_record import OnRecord, Place
from sluicegate.gate.sent_rows import sent_content
from sluicegate.state.records import Build, Evidence, Inputs
from sluicegate.warehouse.base import Session

Held = Mapping[Place, str]
"""{(relation, partition key): version}: what the warehouse holds, or the records say that it does."""


class Walk:
    """One walk up the chain of evidence: what was looked at, and what was found."""

    def __init__(self, lineage: Lineage, held: Held, on_record: OnRecord) -> None:
        self.held = held
        self.findings: dict[Finding, None] = {}
        self.versions: dict[Place, str] = {}
        self.in_the_way: dict[Place, tuple[Finding, ...]] = {}
        self.content = ""
        self._lineage = lineage
        self._on_record = on_record
        self._seen: set[Place] = set()
        self._to_build: set[Place] = set()
        self._noted: list[Finding] | None = None
        self._seen_then: set[tuple[Place, str]] = set()

    def own(self, relation: str, key: str) -> None:
        """Look at a partition and at its own parents, all the way up, as they are now."""
        place = (relation, key)
        if place in self._seen:
            return
        if not self._seen:
            self._read_ahead(relation, key)
        self._seen.add(place)
        table, version = self._lineage.tables[relation], self.held.get(place)
        self._awaited(place)
        if version is None:
            self._find(self._not_built(place))
            self._parents_of(place, "", None)
            return
        self.versions[place] = version
        self._judged_today(place, version, own=True)
        build = self._on_record.build(place, version)
        self._newest(place, version, build)
        inputs = build.inputs if build is not None else None
        if table.code and build is not None:
            if inputs is None:
                self._find(link(place, version, Verdict.HALF_RECORDED, "older code did not keep it", build))
            elif build.code != table.code:
                said = "its SQL, a macro or a variable is another today"
                self._find(link(place, version, Verdict.OLDER_SQL, said, build))
        self._parents_of(place, version, build)
        if place in self._to_build:
            self._in_the_way(place)

    def parents(self, relation: str, key: str, built: Collection[Place] = ()) -> None:
        """Look at what a partition would be made of now; `built` are places that are good by then."""
        self._read_ahead(relation, key)
        key = self._lineage.tables[relation].partition(key)
        waiting, looked = [(relation, key)], set[Place]()
        while waiting:
            place = waiting.pop()
            if place in looked:
                continue
            looked.add(place)
            self._awaited(place, built)
            for read in self._lineage.reads(*place):
                parent = (read.relation, read.partition_key)
                if parent in built:
                    waiting.append(parent)
                elif read.own:
                    self.own(*parent)
                else:
                    self._as_now(parent, required=self._required(read.relation))

    def compare_rows(self, table: Table, partition_key: str, session: Session) -> None:
        """Compare the rows of a partition that is about to be sent with those that each check has judged."""
        place = (table.relation, table.partition(partition_key))
        version = self.held.get(place)
        judged = [
            item
            for check, rules in table.rules.items()
            for item in _by(rules, self._on_record.said(place, check, version or ""))[-1:]
        ]
        if version is None or not judged:
            return  # which is found already: it is not there, or was not judged
        self.content = content = sent_content(session, table, partition_key)
        for item in judged:
            if item.content != content:
                said = "the rows were changed after the check, or judged by an engine that counts otherwise"
                self._find(of_check(place, item.check, Verdict.OTHER_ROWS, version, item, said))

    # -- what is there now

    def _as_now(self, place: Place, *, required: bool) -> None:
        """Look at an earlier day or a snapshot as it is read now: the newest, good by today's rules."""
        version = self.held.get(place)
        if version is None:
            if required or self._on_record.newest(place) is not None:
                self._find(self._not_built(place, own=False))
            else:
                self._not_there(place)
            return
        self._newest(place, version, self._on_record.build(place, version), own=False)
        self._then(place, version, None)

    def _in_the_way(self, place: Place) -> None:
        """Look at the earlier days and snapshots that a partition would be built of now, as it has to be."""
        self._noted = noted = list[Finding]()
        for read in self._lineage.reads(*place):
            if not read.own:
                self._as_now((read.relation, read.partition_key), required=self._required(read.relation))
        self._noted = None
        self.in_the_way[place] = tuple(item for item in noted if item.says_no)

    def _not_there(self, place: Place) -> None:
        """Look at why a day of a window is not there: what has landed and was refused is not absent."""
        if not self._lineage.has_begun(*place):
            return
        landed = left_out = False
        for item in self._lineage.chain(*place):
            where = (item.relation, item.partition_key)
            table = self._lineage.tables[item.relation]
            if not item.required or table.parents or not table.partitioning.partitioned:
                continue
            version = self.held.get(where)
            refused = version is None and self._refusal(where) is not None
            if refused and table.gaps_allowed:
                left_out = True
            elif refused:
                self._find(self._not_built(where, own=False))
                return
            elif version is not None:
                landed = True
                self._judged_today(where, version, own=False)
        if left_out:
            self._find(absence(place, Verdict.LEFT_OUT))
        elif landed and self._complete(place):
            self._find(self._not_built(place, own=False))
        else:
            self._find(absence(place, Verdict.ABSENT))

    def _refused(self, place: Place) -> bool:
        """Whether a drop that a partition is made of was refused."""
        made_of = self._lineage.made_of(*place)
        return any(self._refusal((source, key)) for source, keys in made_of.items() for key in keys)

    def _complete(self, place: Place) -> bool:
        """Whether all that a partition is made of was taken in."""
        made_of = self._lineage.made_of(*place)
        return all(
            self.held.get((source, key)) is not None
            for source, keys in made_of.items()
            for key in keys
            if CONTRACT_CHECK in self._lineage.tables[source].rules
        )

    def _refusal(self, place: Place) -> Evidence | None:
        """Return that the newest drop of a partition was refused."""
        words = self._on_record.of_any_version(place, CONTRACT_CHECK)
        return words[-1] if words and not words[-1].passed else None

    def _required(self, relation: str) -> bool:
        return not self._lineage.tables[relation].partitioning.partitioned

    def _parents_of(self, place: Place, version: str, build: Build | None) -> None:
        """Look at what a build was made from, and whether that is what is there now."""
        inputs: Inputs | None = build.inputs if build is not None else None
        looked: set[Place] = set()
        for read in self._lineage.reads(*place):
            parent = (read.relation, read.partition_key)
            looked.add(parent)
            was = (inputs or {}).get(read.relation, {}).get(read.partition_key)
            if read.by_test:
                # Which version of it was read, the evidence of the test says: nothing was built from it.
                if read.own:
                    self.own(*parent)
            elif read.own:
                now = self.held.get(parent)
                if inputs is not None and now is not None and was != now:
                    self._find(self._other_parent(place, version, parent, was, now, build))
                self.own(*parent)
            elif was is not None:
                self._then(parent, was, place)
            elif inputs is None or self._required(read.relation):
                self._as_now(parent, required=self._required(read.relation))
            elif self.held.get(parent) is not None:
                self._find(absence(parent, Verdict.CAME_SINCE))
            elif self._lineage.has_begun(*parent):
                verdict = Verdict.LEFT_OUT if self._refused(parent) else Verdict.ABSENT
                self._find(absence(parent, verdict))
        for relation, keys in (inputs or {}).items():
            for key, was in keys.items():
                if (relation, key) not in looked:
                    self._then((relation, key), was, place)

    def _awaited(self, place: Place, built: Collection[Place] = ()) -> None:
        """Look at tests in the steps of other tables that judge what this one is made of, too."""
        for relation, checks in self._lineage.tables[place[0]].awaits.items():
            for key, _ in self._lineage.alongside(*place, relation):
                where = (relation, key)
                version = self.held.get(where)
                if where in built:
                    continue
                if version is None:
                    self._find(self._not_built(where))
                else:
                    self._judged_today(where, version, own=True, only=checks)

    def _judged_today(
        self, place: Place, version: str, *, own: bool, only: Collection[str] | None = None
    ) -> None:
        """By today's rules, on this very version; by all checks, or by some only."""
        for check, rules in self._lineage.tables[place[0]].rules.items():
            if only is not None and check not in only:
                continue
            said = self._on_record.said(place, check, version)
            by_these = _by(rules, said)
            judged = self._as_judged(place, check, version, by_these[-1], own=own) if by_these else None
            error = self._on_record.error(place, check, version, rules)
            if judged is not None and (error is None or judged.verdict in (Verdict.PASSED, Verdict.FAILED)):
                self._find(judged)
            # Of a suite one rule may have failed while another could not run: no word on one is one on both.
            if error is not None and (judged is None or judged.verdict is not Verdict.PASSED):
                self._find(of_error(place, error, own=own))
            if judged is not None or error is not None:
                continue
            elsewhere = self._on_record.of_any_version(place, check)
            if said:
                verdict, last = Verdict.OTHER_RULES, said[-1]
            elif elsewhere:
                verdict = Verdict.STALE if elsewhere[-1].passed else Verdict.MISSING
                last = elsewhere[-1]
            else:
                verdict, last = Verdict.MISSING, None
            summary = "" if verdict is Verdict.OTHER_RULES else None
            self._find(of_check(place, check, verdict, version, last, summary, own=own, rules=rules))

    def _as_judged(self, place: Place, check: str, version: str, item: Evidence, *, own: bool) -> Finding:
        """A test that reads other tables spoke of their versions, too."""
        others = self._lineage.tables[place[0]].reads_of.get(check, ())
        if others and item.reads is None:
            said = "older code did not keep which versions it read"
            return of_check(place, check, Verdict.HALF_RECORDED, version, item, said, own=own)
        for other in others:
            for key, shares_time in self._lineage.alongside(*place, other):
                was, now = (item.reads or {}).get(other, {}).get(key), self.held.get((other, key))
                if was != now and (shares_time or not item.passed):
                    said = (
                        f"of {named((other, key))} it read {f'version {short(was)}' if was else 'nothing'};"
                        f" there is {short(now) or 'nothing'} now"
                    )
                    return of_check(place, check, Verdict.OTHER_READ, version, item, said, own=own)
                if was is not None and not shares_time:
                    self._then((other, key), was, place)
        verdict = Verdict.PASSED if item.passed else Verdict.FAILED
        return of_check(place, check, verdict, version, item, own=own)

    def _newest(self, place: Place, version: str, build: Build | None, *, own: bool = True) -> None:
        newest = self._on_record.newest(place)
        if newest is not None and newest.version == version:
            return
        if build is None:
            said = "it was written, and its process did not come to recording it"
            self._find(link(place, version, Verdict.UNRECORDED, said, newest, own=own))
            return
        assert newest is not None
        said = f"the warehouse holds {short(version)}, the newest is {short(newest.version)}"
        self._find(link(place, version, Verdict.RESTORED, said, newest, own=own))

    # -- what was there then

    def _then(self, place: Place, version: str, reader: Place | None) -> None:
        """Look at a version that was read, and at what that was made from.

        Where the warehouse still holds it, today's rules count. Otherwise what was said of it last counts: it
        was good when it was read, or nothing would have been built on it. `reader` is what to build anew to
        read another.
        """
        if (place, version) in self._seen_then or place[0] not in self._lineage.tables:
            return
        self._seen_then.add((place, version))
        if self.held.get(place) == version:
            self.versions[place] = version
            self._judged_today(place, version, own=False)
            reader = place
        else:
            for item in self._on_record.last_words(place, version):
                if not item.passed:
                    self._find(
                        of_check(
                            place, item.check, Verdict.FAILED, version, item,
                            f"{item.summary} (a version that {named(reader)} was built from)",
                            own=False, read_by=reader,
                        )
                    )  # fmt: skip
        build = self._on_record.build(place, version)
        for relation, keys in ((build.inputs if build else None) or {}).items():
            self._on_record.read((relation, key) for key in keys)
            for key, was in keys.items():
                self._then((relation, key), was, reader)

    # -- findings

    def _find(self, finding: Finding) -> None:
        self.findings.setdefault(finding)
        if self._noted is not None:  # what was found before, too
            self._noted.append(finding)
        if finding.own and not finding.check and finding.rebuilds:
            self._to_build.add((finding.relation, finding.partition_key))

    def _read_ahead(self, relation: str, key: str) -> None:
        chain = self._lineage.chain(relation, key)
        self._on_record.read((item.relation, item.partition_key) for item in chain)

    def _not_built(self, place: Place, *, own: bool = True) -> Finding:
        """A drop that was refused leaves no table, but its refusal is on record, as the last word of all."""
        newest = self._on_record.newest(place)
        if newest is not None:
            said = "the warehouse holds nothing of it"
            return link(place, newest.version, Verdict.RESTORED, said, newest, own=own)
        refused = self._refusal(place)
        return Finding(
            *place,
            "",
            Verdict.NOT_BUILT,
            refused.summary if refused else "",
            "",
            refused.judged_at if refused else None,
            refused.run_id if refused else "",
            own=own,
        )

    def _other_parent(
        self, place: Place, version: str, parent: Place, was: str | None, now: str, build: Build | None
    ) -> Finding:
        failed = [item for item in self._on_record.last_words(parent, was or "") if not item.passed]
        then = f"version {short(was)}" if was else "nothing"
        which = f", which failed {', '.join(f'`{item.check}`' for item in failed)}" if failed else ""
        said = f"of {named(parent)} it read {then}{which}; there is {short(now)} now"
        return link(place, version, Verdict.OTHER_PARENT, said, build)


def _by(rules: str, said: list[Evidence]) -> list[Evidence]:
    return [item for item in said if item.rules == rules]
