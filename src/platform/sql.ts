// Reading an object's SQLite: nothing leaves storage unparsed.
import type { z } from "zod";

type Binding = string | number | null | ArrayBuffer;

export function readAll<Row extends z.ZodType>(
  sql: SqlStorage,
  row: Row,
  query: string,
  ...bindings: Binding[]
): z.infer<Row>[] {
  return sql
    .exec(query, ...bindings)
    .toArray()
    .map((found) => row.parse(found));
}

export function readFirst<Row extends z.ZodType>(
  sql: SqlStorage,
  row: Row,
  query: string,
  ...bindings: Binding[]
): z.infer<Row> | undefined {
  return readAll(sql, row, query, ...bindings)[0];
}
