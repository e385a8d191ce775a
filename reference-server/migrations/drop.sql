-- Drops what the migrations have created and nothing else. Fails if a foreign object depends on it.

DROP VIEW IF EXISTS reservation_details, stock;
DROP FUNCTION IF EXISTS hold_seat, order_standing, begin_payment, commit_payment, check_payment, cancel_reservation,
    release_expired, give_back, reservation_id;
DROP TABLE IF EXISTS heartbeat, payments, reservation_items, reservations, seats, ticket_types, shows, users,
    schema_migrations;
DROP SEQUENCE IF EXISTS reservation_numbers;
