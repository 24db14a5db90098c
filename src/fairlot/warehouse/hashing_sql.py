"""The draw in DuckDB's SQL: for audits that run nothing of ours, not for speed.

Exact, and about a hundred times slower than the engine: some 0.1 M rows a second.
"""

from typing import Final

# One expression a macro: murmur3_x86_32 with seed 0 over the UTF-8 of a text. Words are UBIGINT,
# so that a product of two 32-bit words is exact before it is cut to 32 bits.
MACROS: Final = """\
CREATE OR REPLACE MACRO fairlot_byte(h, i) AS
    CAST('0x' || substr(h, 2 * CAST(i AS BIGINT) + 1, 2) AS UBIGINT);
CREATE OR REPLACE MACRO fairlot_word(h, i, n) AS
    fairlot_byte(h, i)
    + CASE WHEN n > 1 THEN fairlot_byte(h, i + 1) * 256 ELSE 0 END
    + CASE WHEN n > 2 THEN fairlot_byte(h, i + 2) * 65536 ELSE 0 END
    + CASE WHEN n > 3 THEN fairlot_byte(h, i + 3) * 16777216 ELSE 0 END;
CREATE OR REPLACE MACRO fairlot_times(a, b) AS
    (CAST(a AS UBIGINT) * CAST(b AS UBIGINT)) % CAST(4294967296 AS UBIGINT);
CREATE OR REPLACE MACRO fairlot_rotate(x, r) AS
    ((x << r) % CAST(4294967296 AS UBIGINT)) | (x >> (32 - r));
CREATE OR REPLACE MACRO fairlot_scramble(k) AS
    fairlot_times(fairlot_rotate(fairlot_times(k, 3432918353), 15), 461845907);
CREATE OR REPLACE MACRO fairlot_finish_3(x) AS xor(x, x >> 16);
CREATE OR REPLACE MACRO fairlot_finish_2(x) AS
    fairlot_finish_3(fairlot_times(xor(x, x >> 13), 3266489909));
CREATE OR REPLACE MACRO fairlot_finish(x) AS
    fairlot_finish_2(fairlot_times(xor(x, x >> 16), 2246822507));
CREATE OR REPLACE MACRO fairlot_hash_of_hex(h, n) AS
    fairlot_finish(xor(
        xor(
            list_reduce(
                [CAST(0 AS UBIGINT)]
                    || [fairlot_scramble(fairlot_word(h, 4 * i, 4)) FOR i IN range(n // 4)],
                lambda state, word:
                    (fairlot_times(fairlot_rotate(xor(state, word), 13), 5) + 3864292196)
                    % CAST(4294967296 AS UBIGINT)
            ),
            CASE WHEN n % 4 = 0 THEN CAST(0 AS UBIGINT)
                ELSE fairlot_scramble(fairlot_word(h, n - n % 4, n % 4)) END
        ),
        CAST(n AS UBIGINT)
    ));
CREATE OR REPLACE MACRO fairlot_hash(text) AS
    CAST(fairlot_hash_of_hex(hex(encode(text)), octet_length(encode(text))) AS UBIGINT);
CREATE OR REPLACE MACRO fairlot_bucket(salt, purpose, unit_id) AS
    CAST((fairlot_hash(salt || ':' || purpose || ':' || unit_id) * 10000) >> 32 AS INTEGER);
"""
