"""A run publishes what it has touched, before it ends and in its own process; a schedule does the rest.

Belongs here: when, for how long, and that no run fails of it. Does not belong here: what is published
(`operations.publishing`).
"""

import time

import dagster as dg

from orchestration.environments.sweeping import sweep
from orchestration.graph.run_leases import After
from orchestration.graph.upkeep import nightly
from orchestration.operations.publishing import clean_shelf, publish_tables, publishing_of
from orchestration.operations.site import Site
from orchestration.state.leases import LeaseTimeout

# Of the time that the steps of a run took.
_SHARE = 0.1
# UTC; after the originals' own upkeep.
_CRON = "10 3 * * *"


def publish_after(site: Site) -> After:
    """Return what publishes at the end of a run, in a tenth of the run's time at most."""

    def publish(seconds: float, log: dg.DagsterLogManager) -> None:
        began = time.monotonic()
        try:
            publishing = publishing_of(site)
            if publishing is None:
                return
            left = _SHARE * seconds
            done = publishing.publish(since=True, seconds=left, wait_seconds=left)
        except LeaseTimeout:
            log.info("another process publishes; what this run has touched is published by the next one")
            return
        except Exception as error:
            # Whatever it is: the data are where they should be, and the next run publishes these as well.
            log.error(
                f"nothing was published ({type(error).__name__}: {error}); `sluice env publish` tries again"
            )
            return
        for relation, why in done.refused.items():
            log.error(f"{relation} was not published: {why}")
        log.info(
            f"published {len(done.put)} partitions, took {len(done.taken_out)} out, left"
            f" {len(done.waiting)} to the next run, in {time.monotonic() - began:.2f} s"
        )

    return publish


def publishing_schedules(site: Site) -> list[dg.ScheduleDefinition]:
    """Return the schedule that publishes what runs had no time for, and cleans up; none without a shelf."""
    if site.deployment.published is None:
        return []

    @dg.op(name="publish_and_sweep", pool="warehouse")
    def publish_and_sweep(context: dg.OpExecutionContext) -> None:
        swept = sweep(site.deployment.settings)  # first: their end waits for nothing
        context.log.info(f"removed environments: {', '.join(swept.gone) or 'none'}")
        if publishing_of(site) is not None:
            done = publish_tables(site, (), told=context.log.info)
            for relation, why in done.refused.items():
                context.log.error(f"{relation} was not published: {why}")
            context.log.info(clean_shelf(site).said)
        if swept.left:
            raise dg.Failure(
                f"environments whose time has ended are not gone whole: {', '.join(swept.left)}; expected"
                " nothing there; remove it, then type `sluice env sweep`",
                allow_retries=False,
            )

    described = (
        "Publishes what is validated and was not published yet, takes out what no longer is, and removes"
        " versions of published tables that are older than `keep_published`, and environments whose time has"
        " ended."
    )
    return [nightly(site, "published_tables", publish_and_sweep, _CRON, described)]
