// What an application says of the package, with no types but those of the platform.
import { CookieToken, createMemoryStore, SessionError } from "mongostore";
import type { Session, Store } from "mongostore";

interface Values {
  userId?: string;
  cart: string[];
}

const store: Store<Values> = createMemoryStore<Values>({
  keys: ["a-secret-that-has-at-least-32-bytes"],
  maxAge: 3600,
  token: new CookieToken(),
});

export async function handler(request: Request): Promise<Response> {
  const session: Session<Values> = await store.get(request, "session");
  if (session.error instanceof SessionError) console.log(session.error.code);
  const cart: string[] = session.values.cart ?? [];
  session.values.cart = [...cart, "book"];
  // @ts-expect-error: userId is text
  session.values.userId = 42;
  return store.save(request, new Response("ok"), session);
}
