"""The small HTTP side: the pages one-time links lead to, enrolment, health, metrics, and Slack where it calls us.

It listens on loopback; where people reach it from elsewhere, a proxy that speaks https stands before it. A GET of a
page shows the same to everybody and knows nothing: tokens stand in the fragment of a URL, which browsers keep to
themselves, so whoever previews or logs a link learns nothing and uses nothing up. Everything else is a POST of JSON
from the page itself.

Every answer forbids being cached, framed, or leaving traces in a Referer. The pages load nothing from anywhere else and
write what comes from outside as text only.
"""
