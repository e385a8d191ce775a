-- One function per writing transaction: it checks, locks and writes in one round trip, and the calling statement commits it.
-- The first column is the reason for a refusal, or NULL.
--
-- Locks are always taken in the same order, to avoid deadlocks: reservation, then seat or ticket types by place. A request
-- for a seat never waits for its row.

-- Returns the id of the reservation with this number, which is always the same (a UUID of version 3).
CREATE FUNCTION reservation_id(number bigint) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
    SELECT overlay(overlay(md5('tiketi reservation ' || number) placing '3' FROM 13) placing '8' FROM 17)::uuid
$$;

-- Puts a seat on hold. A row that another buyer's transaction has locked counts as taken, so that no request waits for a seat
-- while it occupies a connection.
CREATE FUNCTION hold_seat(buyer uuid, wanted_show uuid, wanted_seat uuid, now_us bigint, until_us bigint)
RETURNS TABLE (refusal text, reservation uuid, reservation_number bigint, title text, ticket_type uuid, section text,
               seat_price bigint, seat_row integer, seat_place integer, seat_label text)
LANGUAGE plpgsql AS $$
DECLARE
    seat_state text;
BEGIN
    SELECT shows.title INTO title FROM shows WHERE id = wanted_show;
    IF NOT FOUND THEN
        refusal := 'unknown_show';
        RETURN NEXT;
        RETURN;
    END IF;
    -- Serializes the requests of one buyer, so that the second sees the result of the first.
    PERFORM pg_advisory_xact_lock(hashtextextended(buyer::text || wanted_show::text, 0));
    SELECT s.state, t.id, t.name, t.price, s.row_number, s.seat_number, s.label
    INTO seat_state, ticket_type, section, seat_price, seat_row, seat_place, seat_label
    FROM seats s JOIN ticket_types t ON t.id = s.ticket_type_id
    WHERE s.id = wanted_seat AND s.show_id = wanted_show;
    IF NOT FOUND THEN
        refusal := 'unknown_seat';
    ELSIF EXISTS (
        SELECT FROM reservations r
        WHERE r.user_id = buyer AND r.show_id = wanted_show AND r.seat_id IS NOT NULL
          AND (r.state = 'paid' OR (r.state = 'pending' AND r.expires_us > now_us))
    ) THEN
        refusal := 'one_seat_each';
    ELSIF seat_state = 'reserved' THEN
        refusal := 'seat_reserved';
    ELSIF seat_state = 'locked' THEN
        refusal := 'seat_locked';
    ELSE
        PERFORM FROM seats WHERE id = wanted_seat AND state = 'available' FOR UPDATE SKIP LOCKED;
        IF NOT FOUND THEN
            refusal := 'seat_locked';
        END IF;
    END IF;
    IF refusal IS NULL THEN
        reservation_number := nextval('reservation_numbers');
        reservation := reservation_id(reservation_number);
        INSERT INTO reservations (id, number, user_id, show_id, seat_id, amount, created_us, expires_us)
        VALUES (reservation, reservation_number, buyer, wanted_show, wanted_seat, seat_price, now_us, until_us);
        UPDATE seats SET state = 'locked', reservation_id = reservation WHERE id = wanted_seat;
    END IF;
    RETURN NEXT;
END
$$;

-- Reserves standing tickets. The same type may occur several times.
CREATE FUNCTION order_standing(
    buyer uuid, wanted_show uuid, wanted uuid[], quantities bigint[], now_us bigint, until_us bigint
) RETURNS TABLE (refusal text, receipt text)
LANGUAGE plpgsql AS $$
DECLARE
    kind ticket_types;
    asked bigint;
    due bigint := 0;
    new_number bigint;
    new_id uuid;
BEGIN
    IF NOT EXISTS (SELECT FROM shows WHERE id = wanted_show) THEN
        RETURN QUERY SELECT 'unknown_show', NULL;
        RETURN;
    END IF;
    PERFORM FROM ticket_types
    WHERE id = ANY (wanted) AND show_id = wanted_show AND available IS NOT NULL
    ORDER BY place FOR UPDATE;
    FOR nth IN 1..cardinality(wanted) LOOP
        SELECT * INTO kind FROM ticket_types WHERE id = wanted[nth] AND show_id = wanted_show;
        SELECT sum(quantity) INTO asked
        FROM unnest(wanted[:nth], quantities[:nth]) AS item (id, quantity) WHERE item.id = wanted[nth];
        refusal := CASE
            WHEN kind.id IS NULL THEN 'unknown_ticket_type'
            WHEN kind.available IS NULL THEN 'choose_a_seat'
            WHEN quantities[nth] = 0 OR asked > kind.available THEN 'short_stock'
        END;
        IF refusal IS NOT NULL THEN
            RETURN NEXT;
            RETURN;
        END IF;
        due := due + kind.price * quantities[nth];
    END LOOP;
    new_number := nextval('reservation_numbers');
    new_id := reservation_id(new_number);
    INSERT INTO reservations (id, number, user_id, show_id, amount, created_us, expires_us)
    VALUES (new_id, new_number, buyer, wanted_show, due, now_us, until_us);
    INSERT INTO reservation_items (reservation_id, ticket_type_id, quantity)
    SELECT new_id, item.id, sum(item.quantity) FROM unnest(wanted, quantities) AS item (id, quantity) GROUP BY item.id;
    UPDATE ticket_types t SET available = t.available - i.quantity
    FROM reservation_items i WHERE i.reservation_id = new_id AND t.id = i.ticket_type_id;
    RETURN QUERY SELECT NULL, row_to_json(d)::text FROM reservation_details d WHERE d.id = new_id;
END
$$;

-- Returns why a reservation cannot be paid with this key, and whether it has been paid. Locks the reservation.
CREATE FUNCTION check_payment(
    buyer uuid, wanted uuid, key text, now_us bigint, OUT refusal text, OUT is_paid boolean
) LANGUAGE plpgsql AS $$
DECLARE
    claim reservations;
    paid_with text;
BEGIN
    SELECT * INTO claim FROM reservations WHERE id = wanted AND user_id = buyer FOR UPDATE;
    is_paid := claim.state = 'paid';
    IF is_paid THEN
        SELECT idempotency_key INTO paid_with FROM payments WHERE reservation_id = wanted;
    END IF;
    refusal := CASE
        WHEN claim.id IS NULL THEN 'unknown_reservation'
        WHEN claim.state = 'cancelled' THEN 'cancelled'
        WHEN is_paid AND paid_with <> key THEN 'paid_already'
        WHEN claim.state = 'expired' THEN 'hold_expired'
        WHEN claim.state = 'pending' AND claim.expires_us <= now_us THEN 'hold_expired'
        WHEN claim.state = 'pending' AND EXISTS (SELECT FROM payments WHERE idempotency_key = key) THEN 'key_used'
    END;
END
$$;

-- Starts a payment, and extends its hold to `until_us`. Returns the receipt if the payment has succeeded before.
CREATE FUNCTION begin_payment(buyer uuid, wanted uuid, key text, now_us bigint, until_us bigint)
RETURNS TABLE (refusal text, receipt text)
LANGUAGE plpgsql AS $$
DECLARE
    is_paid boolean;
BEGIN
    SELECT c.refusal, c.is_paid INTO refusal, is_paid FROM check_payment(buyer, wanted, key, now_us) c;
    IF refusal IS NULL AND is_paid THEN
        SELECT row_to_json(d)::text INTO receipt FROM reservation_details d WHERE d.id = wanted;
    ELSIF refusal IS NULL THEN
        UPDATE reservations SET expires_us = until_us WHERE id = wanted AND expires_us < until_us;
    END IF;
    RETURN NEXT;
END
$$;

-- Commits a payment that the provider has authorized: the capture, the order and the seat in one transaction.
CREATE FUNCTION commit_payment(buyer uuid, wanted uuid, key text, pay_method text, now_us bigint)
RETURNS TABLE (refusal text, receipt text)
LANGUAGE plpgsql AS $$
DECLARE
    was_paid boolean;
BEGIN
    SELECT c.refusal, c.is_paid INTO refusal, was_paid FROM check_payment(buyer, wanted, key, now_us) c;
    IF refusal IS NULL AND NOT was_paid THEN
        -- Another transaction may use this key at the same time. The second one waits here.
        INSERT INTO payments (reservation_id, idempotency_key, method, amount, paid_us)
        SELECT id, key, pay_method, amount, now_us FROM reservations WHERE id = wanted
        ON CONFLICT (idempotency_key) DO NOTHING;
        IF FOUND THEN
            UPDATE reservations SET state = 'paid' WHERE id = wanted;
            UPDATE seats SET state = 'reserved' WHERE reservation_id = wanted
                AND id = (SELECT seat_id FROM reservations WHERE id = wanted);
        ELSE
            refusal := 'key_used';
        END IF;
    END IF;
    IF refusal IS NULL THEN
        SELECT row_to_json(d)::text INTO receipt FROM reservation_details d WHERE d.id = wanted;
    END IF;
    RETURN NEXT;
END
$$;

-- Returns the seats and tickets of these reservations to the stock.
CREATE FUNCTION give_back(ended uuid[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    item record;
BEGIN
    UPDATE seats s SET state = 'available', reservation_id = NULL
    FROM reservations r WHERE r.id = ANY (ended) AND s.id = r.seat_id AND s.reservation_id = r.id;
    FOR item IN
        SELECT t.id, sum(i.quantity) AS quantity
        FROM reservation_items i JOIN ticket_types t ON t.id = i.ticket_type_id
        WHERE i.reservation_id = ANY (ended) GROUP BY t.id, t.place ORDER BY t.place
    LOOP
        UPDATE ticket_types SET available = available + item.quantity WHERE id = item.id;
    END LOOP;
END
$$;

-- Cancels a reservation and refunds it.
CREATE FUNCTION cancel_reservation(buyer uuid, wanted uuid, now_us bigint)
RETURNS TABLE (refusal text, show_id uuid, seat_id uuid)
LANGUAGE plpgsql AS $$
DECLARE
    claim reservations;
BEGIN
    SELECT * INTO claim FROM reservations r WHERE r.id = wanted AND r.user_id = buyer FOR UPDATE;
    IF NOT FOUND THEN
        refusal := 'unknown_reservation';
    ELSIF claim.state = 'paid' OR (claim.state = 'pending' AND claim.expires_us > now_us) THEN
        UPDATE reservations SET state = 'cancelled' WHERE id = wanted;
        UPDATE payments SET refunded = true WHERE reservation_id = wanted;
        PERFORM give_back(ARRAY[wanted]);
        show_id := claim.show_id;
        seat_id := claim.seat_id;
    ELSE
        refusal := 'not_cancellable';
    END IF;
    RETURN NEXT;
END
$$;

-- Releases at most `most` expired holds, and skips those that another instance is releasing now.
CREATE FUNCTION release_expired(now_us bigint, most integer)
RETURNS TABLE (show_id uuid, seat_id uuid)
LANGUAGE plpgsql AS $$
DECLARE
    due uuid[];
BEGIN
    SELECT array_agg(id) INTO due FROM (
        SELECT id FROM reservations WHERE state = 'pending' AND expires_us <= now_us
        ORDER BY expires_us, number LIMIT most FOR UPDATE SKIP LOCKED
    ) d;
    IF due IS NULL THEN
        RETURN;
    END IF;
    UPDATE reservations SET state = 'expired' WHERE id = ANY (due);
    PERFORM give_back(due);
    RETURN QUERY SELECT r.show_id, r.seat_id FROM reservations r WHERE r.id = ANY (due) ORDER BY r.expires_us, r.number;
END
$$;
