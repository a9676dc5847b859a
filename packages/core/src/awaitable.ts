/**
 * A value that is there, or will be. In process most answers are there in the turn that asks for
 * them: a promise for each, at every role on the way, would take longer than a short search.
 */
export type Awaitable<T> = T | Promise<T>;

/** Goes on with a value: in this turn when it is there, else when it comes. */
export function andThen<T, R>(value: Awaitable<T>, next: (value: T) => Awaitable<R>): Awaitable<R> {
  return value instanceof Promise ? value.then(next) : next(value);
}

/**
 * Runs something and then `last`, whatever came of it: at once when that is known in this turn,
 * else when it is.
 */
export function andFinally<T>(run: () => Awaitable<T>, last: () => void): Awaitable<T> {
  let result: Awaitable<T>;
  try {
    result = run();
  } catch (error) {
    last();
    throw error;
  }
  // Not `finally`: that takes three steps and two closures more.
  if (result instanceof Promise) return result.then(endWith(last), failWith(last));
  last();
  return result;
}

function endWith<T>(last: () => void): (value: T) => T {
  return (value) => {
    last();
    return value;
  };
}

function failWith(last: () => void): (error: unknown) => never {
  return (error) => {
    last();
    throw error;
  };
}
