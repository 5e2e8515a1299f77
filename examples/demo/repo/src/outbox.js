/**
 * Events in the order in which they came, each id once. Bounded: a subscriber that is down for long must not fill the
 * memory of everybody else.
 */
export function createOutbox({ limit = 1000 } = {}) {
  const events = [];

  return {
    get size() {
      return events.length;
    },
    /** False where the id is there already; throws where the outbox is full. */
    add(event) {
      if (events.some((known) => known.id === event.id)) return false;
      if (events.length >= limit) throw new RangeError(`outbox is full (${limit} events)`);
      events.push(event);
      return true;
    },
    /** The oldest event; it stays until `done`. */
    next() {
      return events[0];
    },
    done(id) {
      const index = events.findIndex((event) => event.id === id);
      if (index >= 0) events.splice(index, 1);
      return index >= 0;
    },
  };
}
