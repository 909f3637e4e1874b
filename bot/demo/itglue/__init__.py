"""The pretend IT Glue: an account with its organizations and passwords, as strict over HTTP as the real one.

    server     a running one, in a thread of its own        account    what it holds, and what people do there
    app        the ASGI application: who may call what      documents  JSON:API: what is shown of a password, and how
    passwords  the calls on passwords                       asking     filters, sorting, pages
    faults     what can go wrong on the way, on demand      page       what a deep link opens in a browser

It speaks what is known of api.itglue.com, down to the bodies of its errors. What nobody outside knows for certain is a
switch (`Key`, `Account`), so that Rekey can be held to both answers.
"""
