-- An entry's link covers a digest of its salt and its text, which can go: then the digest is kept in their place.
-- Entries of before have no salt; once they are forgotten their digest is empty.

ALTER TABLE log ADD COLUMN salt BLOB;
ALTER TABLE log ADD COLUMN digest BLOB;

-- What is to be forgotten and is not yet: a conversation, a person, a kept file; or that the file is to be written anew.
CREATE TABLE forgetting (
    number INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,                 -- conversation, person, file or compact
    subject TEXT NOT NULL,
    by TEXT NOT NULL,
    UNIQUE (kind, subject)
);
