-- What a restored store keeps off until its owner has seen it: clients and grants, each row as a JSON list.

CREATE TABLE held_back (
    number INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,                 -- client or grant
    body TEXT NOT NULL
);
