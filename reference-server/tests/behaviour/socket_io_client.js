// A browser's part of the contract with the standard client. Arguments: transport, base URLs of two instances,
// token, show, seat. Prints "all well", or ends with an error.
const { io } = require("socket.io-client");

const [transport, one, two, token, show, seat] = process.argv.slice(2);
const options = (auth) => ({ transports: [transport], auth, forceNew: true, reconnection: false });
const headers = { Authorization: `Bearer ${token}`, "Content-Type": "application/json" };

const timer = setTimeout(() => fail("no end within 20 s"), 20_000);
const fail = (reason) => {
  console.error(reason);
  process.exit(1);
};
const next = (socket, name) => new Promise((resolve) => socket.once(name, resolve));
const check = (what, actual, expected) => {
  if (JSON.stringify(actual) !== JSON.stringify(expected)) {
    fail(`${what}: ${JSON.stringify(actual)} instead of ${JSON.stringify(expected)}`);
  }
};

(async () => {
  const stranger = io(one, options({}));
  check("no token", (await next(stranger, "connect_error")).message, "Authentication required");
  const forger = io(one, options({ token: "x" }));
  check("bad token", (await next(forger, "connect_error")).message, "Invalid authentication token");

  const socket = io(one, options({ token }));
  await next(socket, "connect");
  socket.emit("join-event", { eventId: show });
  socket.emit("join-seat-selection", { eventId: show });
  socket.emit("seat-selection-changed", { eventId: show, seats: [seat] });
  check("room-info", (await next(socket, "room-info")).eventId, show);

  const locked = next(socket, "seat-locked");
  const body = JSON.stringify({ eventId: show, seatIds: [seat] });
  const held = await fetch(`${two}/api/seats/reserve`, { method: "POST", headers, body });
  check("hold", held.status, 201);
  check("seat-locked", (await locked).seatId, seat);

  const released = next(socket, "seat-released");
  const { reservation } = await held.json();
  await fetch(`${two}/api/reservations/${reservation.id}/cancel`, { method: "POST", headers });
  check("seat-released", (await released).status, "available");
  socket.disconnect();

  const again = io(two, options({ token }));
  const session = await next(again, "session-restored");
  check("restored seats", session.selectedSeats, [seat]);
  check("restored room", session.seatEventId, show);
  again.disconnect();
  clearTimeout(timer);
  console.log("all well");
  process.exit(0);
})().catch((error) => fail(error.stack));
