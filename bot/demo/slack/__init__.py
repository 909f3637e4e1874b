"""The pretend Slack: a workspace in one process, strict where the real one is, for the demo and for the tests.

    server       a running one, in a thread of its own          driver, screens   the words of a person
    app          the ASGI application                           interactions      what people do, and its payloads
    web_api/     what the app calls                             delivery/         how the app hears of it
    validation/  is this a message or view Slack would take     faults            what can go wrong on the way
    pretend      the one thing they all share                   page/, page_api   what people see in a browser

It imports nothing of the rest of Rekey. docs/pretend-slack.md says how to use it.
"""
