-- Durable data (A9): users, shows, seats, reservations, payments.
--
-- Times are scenario time: microseconds since the start of the run. Amounts are whole won.

CREATE TABLE users (
    id            uuid PRIMARY KEY,
    email         text NOT NULL UNIQUE,
    name          text NOT NULL,
    phone         text,
    password_hash text NOT NULL
);

CREATE TABLE shows (
    id    uuid PRIMARY KEY,
    place integer NOT NULL UNIQUE,
    title text NOT NULL
);

-- A section of seats or a standing area. Only an area has a counter. The available seats of a section are counted instead,
-- because a counter that every sale updates would make all buyers of a section wait for each other's commits.
CREATE TABLE ticket_types (
    id        uuid PRIMARY KEY,
    show_id   uuid NOT NULL REFERENCES shows,
    place     integer NOT NULL,
    name      text NOT NULL,
    price     bigint NOT NULL CHECK (price >= 0),
    total     bigint NOT NULL CHECK (total >= 0),
    available bigint CHECK (available BETWEEN 0 AND total),
    UNIQUE (show_id, place)
);

-- `json_head` is the seat's JSON object up to its state. Only the state changes, and the list of seats is read very often.
CREATE TABLE seats (
    id             uuid PRIMARY KEY,
    show_id        uuid NOT NULL REFERENCES shows,
    ticket_type_id uuid NOT NULL REFERENCES ticket_types,
    place          integer NOT NULL,
    row_number     integer NOT NULL,
    seat_number    integer NOT NULL,
    label          text NOT NULL,
    json_head      text NOT NULL,
    state          text NOT NULL DEFAULT 'available' CHECK (state IN ('available', 'locked', 'reserved')),
    reservation_id uuid,
    UNIQUE (show_id, place),
    CHECK ((state = 'available') = (reservation_id IS NULL))
) WITH (fillfactor = 70);

CREATE SEQUENCE reservation_numbers;

-- There are no foreign keys to users and shows: the user of a trusted token may never have registered, and every sale would
-- lock the row of the show.
CREATE TABLE reservations (
    id         uuid PRIMARY KEY,
    number     bigint NOT NULL,
    user_id    uuid NOT NULL,
    show_id    uuid NOT NULL,
    seat_id    uuid REFERENCES seats,
    amount     bigint NOT NULL CHECK (amount >= 0),
    state      text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'paid', 'expired', 'cancelled')),
    created_us bigint NOT NULL,
    expires_us bigint NOT NULL
);

-- A seat has at most one pending or paid reservation. Whatever the server does, no seat is sold twice.
CREATE UNIQUE INDEX one_claim_for_a_seat ON reservations (seat_id) WHERE state IN ('pending', 'paid');

CREATE INDEX reservations_of_a_user ON reservations (user_id, show_id);

CREATE INDEX holds_by_expiry ON reservations (expires_us) WHERE state = 'pending';

-- Standing tickets of a reservation.
CREATE TABLE reservation_items (
    reservation_id uuid NOT NULL REFERENCES reservations,
    ticket_type_id uuid NOT NULL REFERENCES ticket_types,
    quantity       bigint NOT NULL CHECK (quantity > 0),
    PRIMARY KEY (reservation_id, ticket_type_id)
);

-- Payments captured by the provider. A key can be used for one payment only, even after a refund.
CREATE TABLE payments (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    reservation_id  uuid NOT NULL UNIQUE REFERENCES reservations,
    idempotency_key text NOT NULL UNIQUE,
    method          text NOT NULL,
    amount          bigint NOT NULL,
    paid_us         bigint NOT NULL,
    refunded        boolean NOT NULL DEFAULT false
);

-- One row, updated to check that the writer accepts writes.
CREATE TABLE heartbeat (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    beats    bigint NOT NULL
);

INSERT INTO heartbeat (beats) VALUES (0);

-- Ticket types and their stock.
CREATE VIEW stock AS
SELECT s.id AS show_id, s.place AS show_place, s.title, t.id, t.place, t.name, t.price, t.total,
       t.available IS NULL AS is_seated,
       coalesce(t.available, free.seats, 0) AS available
FROM shows s
JOIN ticket_types t ON t.show_id = s.id
LEFT JOIN (
    SELECT show_id, ticket_type_id, count(*) AS seats FROM seats WHERE state = 'available' GROUP BY show_id, ticket_type_id
) free ON free.show_id = s.id AND free.ticket_type_id = t.id;

-- Reservations with their seats, items and payment.
CREATE VIEW reservation_details AS
SELECT r.id, r.number, r.user_id, r.show_id, r.amount, r.state, r.created_us, r.expires_us,
       (SELECT title FROM shows WHERE id = r.show_id) AS show_title,
       coalesce((
           SELECT json_agg(json_build_object('id', s.id, 'section', t.name, 'row_number', s.row_number,
                      'seat_number', s.seat_number, 'seat_label', s.label, 'price', t.price))
           FROM seats s JOIN ticket_types t ON t.id = s.ticket_type_id
           WHERE s.id = r.seat_id
       ), '[]') AS seats,
       coalesce((
           SELECT json_agg(json_build_object('id', t.id, 'name', t.name, 'price', t.price, 'quantity', i.quantity)
                      ORDER BY t.place)
           FROM (
               SELECT ticket_type_id, quantity FROM reservation_items WHERE reservation_id = r.id
               UNION ALL SELECT ticket_type_id, 1 FROM seats WHERE id = r.seat_id
           ) i JOIN ticket_types t ON t.id = i.ticket_type_id
       ), '[]') AS items,
       p.method, p.idempotency_key, p.paid_us
FROM reservations r
LEFT JOIN payments p ON p.reservation_id = r.id;
