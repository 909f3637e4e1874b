"""Who is in the demo's pretend Slack, what they are told, and the world file that brings its customers in."""

from dataclasses import dataclass

WORLD_FILE = """\
rule: {{length: 20, uppercase: true, lowercase: true, number: true, symbol: true}}
organizations:
  - name: Bright Smile Dental
    channel: {bright}
    timezone: Europe/London
    technicians: [{tina}]
    viewers: [{vic}]
    bulk: [person, shared]
    tiers: {{shared: [frontdesk], break-glass: [emergency]}}
    directories:
      - {head_office}
      - {{name: branch, kind: practice}}
    vault: {{name: bright-vault, kind: embedded}}
  - name: Harbor Foods
    channel: {harbor}
    timezone: Europe/Berlin
    technicians: [{tina}]
    bulk: [person, shared]
    tiers: {{shared: [orders, loading-dock]}}
    directories:
      - {{name: harbor, kind: practice}}
    vault: {{name: harbor-vault, kind: embedded}}
  - name: Northwind MSP
    channel: {northwind}
    timezone: Europe/London
    technicians: [{tina}]
    bulk: [person, shared]
    tiers: {{shared: [accounts], service: [svc-scanner], break-glass: [emergency]}}
    directories:
      - {northwind_entra}
    vault: {{name: northwind-vault, kind: embedded}}
  - name: Cedar Clinic
    channel: {cedar}
    timezone: Europe/London
    technicians: [{tina}]
    bulk: [person, shared]
    tiers: {{shared: [reception, website]}}
    directories:
      - {{name: cedar, kind: practice}}
      - {cedar_entra}
    vault: {{name: cedar-vault, kind: embedded}}
  - {finch}
"""


@dataclass(frozen=True, slots=True)
class Somebody:
    """One of the people of the pretend Slack, and what they may do."""

    name: str
    real_name: str
    role: str
    timezone: str = "Europe/London"
    guest: bool = False


PEOPLE = (
    Somebody("alice", "Alice Morgan", "administrator"),
    Somebody("bob", "Bob Keller", "administrator", timezone="Europe/Berlin"),
    Somebody("tina", "Tina Brooks", "technician"),
    Somebody("vic", "Vic Tan", "viewer of Bright Smile Dental"),
    Somebody("sid", "Sid Novak", "nobody: no role"),
    Somebody("gus", "Gus Field", "a guest", guest=True),
)


ASKED = {
    "#bright-smile": (
        "Morning Alice! Bright Smile's passwords are years old. Could you look at which account goes with which entry "
        "of the vault (`/rotate match`), and then give everybody a new one (`/rotate all`)?"
    ),
    "#harbor-foods": (
        "Harbor Foods is next: 180 people. “Approve all exact” is one click, and `/rotate all` shows first what it "
        "would do. Some of the shops in the old town never gave us the right to reset; the card will say so."
    ),
    "#northwind": (
        "Our own Microsoft 365. Rekey's app has the role User Administrator here, so it will say whose password that "
        "is not enough for. `/rotate setup` shows what it was granted."
    ),
    "#cedar-clinic": (
        "Cedar Clinic's people are in their own domain and in Microsoft 365, by Entra Connect: one person, one "
        "password, set once. Rotate one and watch the cloud follow."
    ),
    "#finch-legal": (
        "Finch Legal keep theirs in IT Glue. Same words, and new passwords land there; each record on the review card "
        "leads to its page. One is vaulted, so nobody can rotate that, and one is the partners' only."
    ),
}
"""What Bob wrote before you came, by channel."""
