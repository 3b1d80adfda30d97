-- name: quick_check()
SELECT * FROM pragma_quick_check(3);
