// A D1 binding that counts what its answers say was read and written; otherwise it is the binding itself.

export interface D1Meter {
  /** Times D1 was asked: a batch is one. */
  calls: number;
  statements: number;
  rowsWritten: number;
  rowsRead: number;
}

/** All objects of one isolate share it. */
const distance = { ms: 0 };

/** D1 then answers so many ms later than it does here, as it would from somewhere else. */
export function setDistance(ms: number): void {
  distance.ms = ms;
}

/** One way. */
async function travel(): Promise<void> {
  if (distance.ms > 0) await scheduler.wait(distance.ms / 2);
}

export function newMeter(): D1Meter {
  return { calls: 0, statements: 0, rowsWritten: 0, rowsRead: 0 };
}

export function metered(db: D1Database, meter: D1Meter): D1Database {
  /** What the binding itself has to be given back in a batch. */
  const originals = new WeakMap<object, D1PreparedStatement>();
  const count = (results: readonly D1Result[]) => {
    meter.calls += 1;
    meter.statements += results.length;
    for (const { meta } of results) {
      meter.rowsWritten += meta.rows_written;
      meter.rowsRead += meta.rows_read;
    }
  };

  function meterStatement(statement: D1PreparedStatement): D1PreparedStatement {
    const proxy = new Proxy(statement, {
      get(target, name) {
        if (name === "bind") return (...values: unknown[]) => meterStatement(target.bind(...values));
        if (name === "run" || name === "all") {
          return async () => {
            await travel();
            const result = await target[name]();
            await travel();
            count([result]);
            return result;
          };
        }
        return bound(target, name);
      },
    });
    originals.set(proxy, statement);
    return proxy;
  }

  return new Proxy(db, {
    get(target, name) {
      if (name === "prepare") return (query: string) => meterStatement(target.prepare(query));
      if (name !== "batch") return bound(target, name);
      return async (statements: D1PreparedStatement[]) => {
        await travel();
        const results = await target.batch(statements.map((statement) => originals.get(statement) ?? statement));
        await travel();
        count(results);
        return results;
      };
    },
  });
}

/** Methods of the runtime's own objects refuse to be called on anything else. */
function bound(target: object, name: string | symbol): unknown {
  const value: unknown = Reflect.get(target, name);
  return typeof value === "function" ? value.bind(target) : value;
}
