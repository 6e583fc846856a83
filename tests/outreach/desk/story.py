"""A desk with something on it: the story of Sokha Chan, and a queue of others behind her."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from outreach.cases.alert import Alert
from outreach.cases.commands import (
    AcceptContact,
    AnswerCardAction,
    Command,
    IntendContact,
    ReceiveCall,
    ReceiveReply,
    ReportDelivery,
    SendCardAction,
)
from outreach.cases.service import Cases
from outreach.customers.service import CardRef, CustomerMessage, Customers
from tests.ticking import Ticking

PASSWORD = "a lot of rice and rain"
NAME, PHONE, EMAIL = "Sokha Chan", "+14155550142", "sokha.chan@example.com"
LOUVRE, MARKET = "tx-louvre", "tx-psar-thmei"

CITIES: dict[str, tuple[str, float, float, str]] = {
    "Phnom Penh": ("KH", 11.5621, 104.9160, "Asia/Phnom_Penh"),
    "Paris": ("FR", 48.8606, 2.3376, "Europe/Paris"),
    "Lisbon": ("PT", 38.7223, -9.1393, "Europe/Lisbon"),
    "Warsaw": ("PL", 52.2297, 21.0122, "Europe/Warsaw"),
    "Osaka": ("JP", 34.6937, 135.5023, "Asia/Tokyo"),
    "Lima": ("PE", -12.0464, -77.0428, "America/Lima"),
    "Toronto": ("CA", 43.6532, -79.3832, "America/Toronto"),
    "Nairobi": ("KE", -1.2864, 36.8172, "Africa/Nairobi"),
}


def paid(  # noqa: PLR0917 - read as a line of a statement
    city: str, at: datetime, merchant: str, amount: str, currency: str, transaction_id: str
) -> dict[str, Any]:
    country, lat, lon, zone = CITIES[city]
    return {
        "transaction_id": transaction_id,
        "place": city,
        "country": country,
        "lat": lat,
        "lon": lon,
        "radius_km": 2.0,
        "at": at.isoformat(),
        "local_time": at.isoformat(),
        "zone": zone,
        "merchant": merchant,
        "mcc": "5999",
        "amount": amount,
        "currency": currency,
        "channel": "card_present",
        "entry_mode": "chip",
        "outcome": "approved",
        "trust": "trusted",
        "reason": "",
    }


def recent(  # noqa: PLR0917 - the same
    city: str, at: datetime, merchant: str, amount: str, currency: str, transaction_id: str
) -> dict[str, Any]:
    whole = paid(city, at, merchant, amount, currency, transaction_id)
    kept = ("transaction_id", "country", "merchant", "amount", "currency", "channel", "entry_mode", "outcome")
    return {"occurred_at": whole["at"], "city": city, **{name: whole[name] for name in kept}}


def alert(
    card_id: str,
    suspect: dict[str, Any],
    against: dict[str, Any],
    *,
    raised_at: datetime,
    distance_km: float,
    fastest_s: float,
    severity: str = "high",
    verdict: str = "alert",
    others: Sequence[dict[str, Any]] = (),
) -> Alert:
    elapsed = (datetime.fromisoformat(suspect["at"]) - datetime.fromisoformat(against["at"])).total_seconds()
    hours = f"{elapsed // 3600:.0f} h {elapsed % 3600 // 60:02.0f} min"
    evidence = {
        "suspect": suspect,
        "against": against,
        "distance_km": distance_km,
        "elapsed_s": elapsed,
        "journey": {"means": "flight", "fastest_s": fastest_s},
        "possible_if": "At least 14 h 12 min between the two (a flight from door to door, 1 h allowed for the clocks).",
        "words": f"The card was used in {against['place']} ({against['country']}) and {hours} later in"
        f" {suspect['place']} ({suspect['country']}), {distance_km:,.0f} km away. The fastest plausible journey, by"
        f" flight, takes {fastest_s // 3600:.0f} h.",
        "recent": list(others),
    }
    return Alert(
        alert_id=f"alert-{suspect['transaction_id']}",
        status="raised",
        card_id=card_id,
        raised_by=suspect["transaction_id"],
        suspect=suspect["transaction_id"],
        against=against["transaction_id"],
        verdict=verdict,  # type: ignore[arg-type]
        severity=severity,  # type: ignore[arg-type]
        rule="impossible-location",
        ruleset_version="1",
        evidence=evidence,
        raised_at=raised_at,
        arrived_at=raised_at,
    )


class Story:
    """Tells stories into a history, through the same services as the workers."""

    def __init__(self, cases: Cases, customers: Customers, clock: Ticking) -> None:
        self.cases, self.customers, self.clock = cases, customers, clock

    async def does(self, case_id: str, command: Command, actor: str, *, later_s: float = 0.4) -> None:
        self.clock.forward(later_s)
        await self.cases.handle(case_id, command, actor=actor, cause=f"{actor} {type(command).__name__} {self.clock()}")

    async def sokha(self, *, more_suspects: int = 0) -> str:
        """Her card at the Louvre while she is in Phnom Penh; held, written to, delivered. Answers the case's id."""
        message = CustomerMessage(
            customer_id="customer-sokha",
            name=NAME,
            phone=PHONE,
            email=EMAIL,
            language="en",
            home_zone="America/Los_Angeles",
            home={"city": "San Francisco", "country": "US", "lat": 37.77, "lon": -122.42},
            jurisdiction="US",
            consents=["sms", "email"],
            cards=[CardRef(card_id="card-sokha-visa", last_four="4821")],
            travel_notices=[{"country": "KH", "from": "2026-11-10", "to": "2026-11-30"}],
        )
        await self.customers.record(message, "story")
        now = self.clock()
        market = paid("Phnom Penh", now - timedelta(minutes=76), "Psar Thmei Silk", "38.50", "USD", MARKET)
        louvre = paid("Paris", now - timedelta(seconds=2), "Musée du Louvre", "1280.00", "EUR", LOUVRE)
        before = [
            recent("Phnom Penh", now - timedelta(hours=3, minutes=11), "Malis Restaurant", "42.00", "USD", "tx-malis"),
            recent("Phnom Penh", now - timedelta(hours=9), "Raffles Le Royal", "310.00", "USD", "tx-raffles"),
            recent("Phnom Penh", now - timedelta(hours=22), "National Museum", "10.00", "USD", "tx-museum"),
            recent("Phnom Penh", now - timedelta(hours=27), "ABA Bank ATM", "200.00", "USD", "tx-atm"),
            recent("Phnom Penh", now - timedelta(hours=31), "Brown Coffee", "6.75", "USD", "tx-coffee"),
            recent("Phnom Penh", now - timedelta(hours=49), "Airport Taxi", "15.00", "USD", "tx-taxi"),
        ]
        first = alert(
            "card-sokha-visa", louvre, market, raised_at=now, distance_km=10139, fastest_s=15.2 * 3600, others=before
        )
        case_id = await self.cases.receive_alert(first)
        assert case_id is not None
        for number in range(more_suspects):
            self.clock.forward(20)
            again = paid("Paris", self.clock(), "Galeries Lafayette", f"{420 + number}.00", "EUR", f"tx-more-{number}")
            later = alert(
                "card-sokha-visa", again, market, raised_at=self.clock(), distance_km=10137, fastest_s=15.2 * 3600
            )
            assert await self.cases.receive_alert(later) == case_id
        state, _ = await self.cases.load(case_id)
        hold = next(each for each in state.actions.values() if each.action == "hold")
        sms = next(each for each in state.contacts.values() if each.channel == "sms")
        await self.does(case_id, SendCardAction(command_id=hold.command_id, attempt=1), "system:cards")
        await self.does(case_id, self.sms(sms.contact_id, state.case_code), "system:contact")
        await self.does(case_id, AnswerCardAction(command_id=hold.command_id, result="held"), "bank")
        await self.does(case_id, AcceptContact(contact_id=sms.contact_id, provider_id="SM1"), "provider:twilio")
        for status in ("sent", "delivered"):
            report = ReportDelivery(contact_id=sms.contact_id, provider_id="SM1", status=status)
            await self.does(case_id, report, "provider:twilio", later_s=1.3)
        return case_id

    async def judged_anew(self, case_id: str) -> None:
        """Detection judges the Louvre without the market: it contradicts the restaurant now."""
        now = self.clock()
        malis = paid("Phnom Penh", now - timedelta(hours=3), "Malis Restaurant", "42.00", "USD", "tx-malis")
        louvre = paid("Paris", now, "Musée du Louvre", "1280.00", "EUR", LOUVRE)
        told = alert("card-sokha-visa", louvre, malis, raised_at=now, distance_km=10139, fastest_s=15.2 * 3600)
        assert await self.cases.receive_alert(msgspec.structs.replace(told, status="revised")) == case_id

    def sms(self, contact_id: str, code: str) -> IntendContact:
        body = (
            f"Mekong Bank: was EUR 1,280.00 at Musee du Louvre you? Reply 1 yes, 2 no, or call the number on your"
            f" card. Code {code}. STOP to opt out"
        )
        return IntendContact(
            contact_id=contact_id,
            channel="sms",
            purpose="alert",
            attempt=1,
            language="en",
            template="alert-sms",
            template_version="1",
            template_hash="d0",
            legal_basis="exemption",
            policy_version="1",
            parts=1,
            remaining=2,
            address=PHONE,
            body=body,
        )

    async def rings(self, case_id: str) -> None:
        """She rings."""
        await self.does(case_id, ReceiveCall(call_id="call-1"), "customer", later_s=95)

    async def card_system_answers(self, case_id: str) -> None:
        """The bank's card system does whatever it has been asked for."""
        results = {"hold": "held", "decline": "declined", "block": "blocked", "release": "released"}
        state, _ = await self.cases.load(case_id)
        for action in state.actions.values():
            if action.pending:
                await self.does(case_id, SendCardAction(command_id=action.command_id, attempt=1), "system:cards")
                new_card = "card-sokha-new" if action.action == "reissue" else ""
                result = results.get(action.action, "reissued")
                answer = AnswerCardAction(command_id=action.command_id, result=result, new_card_id=new_card)
                await self.does(case_id, answer, "bank")

    async def others(self) -> list[str]:
        """Seven more customers, each waiting for another reason."""
        people = (
            ("Marta Nowak", "pl", "Warsaw", "Lisbon", "high", "alert", "fraud"),
            ("Kenji Mori", "ja", "Osaka", "Toronto", "medium", "alert", ""),
            ("Lucía Quispe", "es", "Lima", "Paris", "medium", "alert", "unclear"),
            ("Wanjiru Kamau", "en", "Nairobi", "Osaka", "low", "review", ""),
            ("Oksana Bondar", "uk", "Warsaw", "Lima", "high", "alert", "call"),
            ("Ana Sousa", "pt", "Lisbon", "Nairobi", "medium", "alert", ""),
            ("Grace Lee", "en", "Toronto", "Warsaw", "low", "review", ""),
        )
        opened = []
        for number, (name, language, home, abroad, severity, verdict, then) in enumerate(people):
            self.clock.forward(210 + 37 * number)
            card = f"card-{number}"
            await self.customers.record(
                CustomerMessage(
                    customer_id=f"customer-{number}",
                    name=name,
                    phone=f"+1415555020{number}",
                    email=f"customer{number}@mail.example",
                    language=language,
                    home_zone=CITIES[home][3],
                    home={"city": home, "country": CITIES[home][0]},
                    cards=[CardRef(card_id=card, last_four=f"10{number}7")],
                ),
                "story",
            )
            now = self.clock()
            case_id = await self.cases.receive_alert(
                alert(
                    card,
                    paid(abroad, now, "Central Store", "240.00", "EUR", f"tx-{number}-b"),
                    paid(home, now - timedelta(hours=1), "Corner Shop", "12.40", "EUR", f"tx-{number}-a"),
                    raised_at=now,
                    distance_km=4000,
                    fastest_s=9 * 3600,
                    severity=severity,
                    verdict=verdict,
                )
            )
            assert case_id is not None
            opened.append(case_id)
            if then == "call":
                await self.does(case_id, ReceiveCall(call_id=f"call-{number}"), "customer", later_s=50)
            elif then:
                reply = ReceiveReply(reply_id=f"reply-{number}", channel="sms", meaning=then, text="2")  # type: ignore[arg-type]
                await self.does(case_id, reply, "customer", later_s=50)
        return opened


def some_time_ago(minutes: float) -> Ticking:
    """A clock that stands in the past, so that people have been waiting."""
    return Ticking(datetime.now(UTC) - timedelta(minutes=minutes))
