"""Storage keeps the nouns: tables, sealed values, the escrow file, migrations, and every line of SQL Rekey runs."""
