-- name: institutions
-- Institutions that have software.
SELECT DISTINCT institution FROM signin.client WHERE active

-- name: closed
-- Which of these places are closed, and until when.
SELECT place, locked_until FROM signin.tries WHERE place = ANY ($1::bytea[]) AND locked_until > $2

-- name: open_places
-- These places are open, whatever was counted there.
DELETE FROM signin.tries WHERE place = ANY ($1::bytea[])
