import type { Awaitable } from "./codec/codec.ts";
import { InvalidValuesError } from "./errors.ts";

/** A validator of the Standard Schema specification, version 1: Zod, Valibot, ArkType and others give one. */
export interface StandardSchema<Output = unknown> {
  /** The specification's properties. */
  readonly "~standard": {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => Awaitable<SchemaResult<Output>>;
    readonly types?: { readonly input: unknown; readonly output: Output } | undefined;
  };
}

/** What a Standard Schema validator answers. */
export type SchemaResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly SchemaIssue[] };

/** One complaint of a validator. Only its path is ever shown: its message may quote the value. */
export interface SchemaIssue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

/** Checks values against a schema; gives what the schema makes of them, or the error that names what it refuses. */
export function validate<V>(
  schema: StandardSchema<V>,
  values: unknown,
): Awaitable<V | InvalidValuesError> {
  const result = schema["~standard"].validate(values);
  return result instanceof Promise ? result.then(toOutput) : toOutput(result);
}

function toOutput<V>(result: SchemaResult<V>): V | InvalidValuesError {
  if (result.issues === undefined) return result.value;
  return new InvalidValuesError(result.issues.map((issue) => pathOf(issue)));
}

function pathOf(issue: SchemaIssue): string {
  const steps = (issue.path ?? []).map((step) =>
    String(typeof step === "object" ? step.key : step)
  );
  return steps.length > 0 ? steps.join(".") : "values";
}
