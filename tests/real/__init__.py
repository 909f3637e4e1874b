"""The real parts: Active Directory (Samba), PostgreSQL, OpenLDAP's own client, a wire that can be cut.

Each is started once for a whole run, however many pytest workers share it, and stopped at its end; the fixtures are in
`fixtures.py`. A part this machine lacks skips the test with a sentence that says what to install, and fails it under
`CI=true`.
"""
