import process from "node:process";
import { MongoClient } from "mongodb";
import { createMongoStore, SessionError } from "#mongostore";
import type { Session, Store } from "#mongostore";
import type { Answer, Question, State, Values } from "./app.ts";
import { requestWith } from "./ledger.ts";

// The process that tests/faults/app.ts starts: one application with a store or two, and the sessions that its requests hold.
const { MONGODB_URI = "", SESSION_KEY = "" } = process.env;
const client = await MongoClient.connect(MONGODB_URI);
const collection = client.db("app").collection("sessions");
const stores: Store<Values>[] = [];
const sessions: { readonly store: Store<Values>; readonly session: Session<Values> }[] = [];

process.on("message", (question: Question) => {
  answer(question).then(
    (state) => send({ id: question.id, state }),
    (error: unknown) =>
      send({
        id: question.id,
        failure: error instanceof SessionError ? error.code : String(error),
      }),
  );
});
process.on("disconnect", () => void client.close());
send({ id: 0, state: { at: 0, now: Date.now() } });

function send(message: Answer): void {
  process.send?.(message);
}

async function answer(question: Question): Promise<State> {
  if (question.what === "open") {
    const options = { keys: [SESSION_KEY], ...question.options };
    const store = await createMongoStore<Values>(collection, options);
    return { at: stores.push(store) - 1, now: Date.now() };
  }
  if (question.what === "get") {
    const store = find(stores, question.at);
    const session = await store.get(requestWith(question.token));
    return stateOf(sessions.push({ store, session }) - 1, session);
  }
  if (question.what === "rekey") {
    const { unopened } = await find(stores, question.at).rekey({ batch: 3 });
    return { at: question.at, now: Date.now(), unopened };
  }
  const { store, session } = find(sessions, question.at);
  const { text, what } = question;
  if (what === "update") await session.update((values) => void (values.text = text ?? ""));
  else {
    if (text !== undefined) session.values.text = text;
    await store.save(requestWith(undefined), new Headers(), session);
  }
  return stateOf(question.at, session);
}

function find<T>(list: readonly T[], at: number): T {
  const found = list[at];
  if (found === undefined) throw new RangeError(`there is no number ${at}`);
  return found;
}

function stateOf(at: number, session: Session<Values>): State {
  return {
    at,
    now: Date.now(),
    isNew: session.isNew,
    error: session.error?.code,
    text: session.values.text,
    token: session.token,
    createdAt: session.createdAt?.getTime(),
    expiresAt: session.expiresAt?.getTime(),
  };
}
