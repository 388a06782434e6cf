"""The largest numbers that PostgreSQL's integer and bigint hold."""

LARGEST_INTEGER = 2**31 - 1
LARGEST_BIGINT = 2**63 - 1
