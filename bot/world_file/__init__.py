"""The world file: organizations and their connections as declarative YAML, for `rekey apply` and `rekey export`.

`document` reads YAML without its clever parts and remembers every line; `entries` says what may stand where; `reading`
puts both together, follows references and refuses what does not fit, naming file, line and field; `plan` compares it
with the database and brings that up to it in one transaction; `export` writes the file back.

A key the file leaves out is left as it is. No organization and no directory is ever deleted: those that the file does
not name stay, and the plan mentions them. A list of people is the whole list: who is not on it loses that role.
"""
