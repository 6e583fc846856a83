"""Every read model of the outreach, for whoever runs or rebuilds them."""

from infra.history.projection import Projection
from outreach.cases.cases_view import CaseList
from outreach.cases.contacts_view import Contacts
from outreach.cases.due import Due
from outreach.cases.queue import Queue
from outreach.customers.phones import Phones


def projections(master_key: bytes) -> list[Projection]:
    """All read models; the master key is needed for the look-up of telephone numbers."""
    return [Queue(), Due(), Contacts(), CaseList(), Phones(master_key)]
