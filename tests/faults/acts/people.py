"""People leave, pause and edit while mail is on its way."""

from collections.abc import Iterator

from audiences.models import MailingList
from campaigns.models import Campaign
from tests.faults.world import World, now


def leaving_and_pausing(world: World, *, times: int) -> Iterator[None]:
    """At any instant somebody leaves; now and then the campaign is paused, and goes on."""
    run = world.going
    yield
    for _ in range(times):
        if not world.is_going():
            return
        world.people_leave(3)
        if run.source.random() < 0.2:
            seconds = run.source.uniform(2.5, 4.0)
            world.pause_mailing(seconds)
            run.notes.append(f"paused for {seconds:.1f} s")
        world.pause(run.source.uniform(0.0, 0.4))


def edits(world: World) -> Iterator[None]:
    """What the mailing was made of is edited, archived and deleted: it was frozen at launch."""
    run = world.going
    yield
    campaign = Campaign.objects.get(mailing=run.mailing)
    readers = MailingList.objects.get(name=f"run {run.number}")
    for step in (
        lambda: Campaign.objects.filter(pk=campaign.pk).update(name="Another", from_name="Somebody else"),
        lambda: MailingList.objects.filter(pk=readers.pk).update(archived_at=now(), public_name="Old"),
        lambda: campaign.included_lists.clear(),
    ):
        world.pause(run.source.uniform(0.2, 1.0))
        world.insist(step)
    run.notes.append("campaign and list edited")
