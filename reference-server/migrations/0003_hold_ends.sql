-- Payments that are begun and dropped again and again must not keep a seat: they begin before the hold's own end.

-- End of the hold before a payment has extended it; NULL if none has.
ALTER TABLE reservations ADD COLUMN hold_until_us bigint;

-- Starts a payment, and extends its hold to `until_us`. Returns the receipt if the payment has succeeded before.
CREATE OR REPLACE FUNCTION begin_payment(buyer uuid, wanted uuid, key text, now_us bigint, until_us bigint)
RETURNS TABLE (refusal text, receipt text)
LANGUAGE plpgsql AS $$
DECLARE
    is_paid boolean;
BEGIN
    SELECT c.refusal, c.is_paid INTO refusal, is_paid FROM check_payment(buyer, wanted, key, now_us) c;
    IF refusal IS NULL AND is_paid THEN
        SELECT row_to_json(d)::text INTO receipt FROM reservation_details d WHERE d.id = wanted;
    ELSIF refusal IS NULL AND EXISTS (SELECT FROM reservations WHERE id = wanted AND hold_until_us <= now_us) THEN
        refusal := 'hold_expired';
    ELSIF refusal IS NULL THEN
        UPDATE reservations SET hold_until_us = coalesce(hold_until_us, expires_us), expires_us = until_us
        WHERE id = wanted AND expires_us < until_us;
    END IF;
    RETURN NEXT;
END
$$;
