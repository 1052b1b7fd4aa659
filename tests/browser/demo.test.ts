// The demo in a real Chromium. On Node only: playwright-core drives the browser from there.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import axe from "axe-core";
import type { Browser, BrowserContext, BrowserContextOptions, Page } from "playwright-core";
import { generateKey } from "#mongostore";
import { createDemo } from "../../examples/demo/app.ts";
import type { Demo } from "../../examples/demo/app.ts";
import { serve } from "../../examples/serve.ts";
import type { Server } from "../../examples/serve.ts";
import { openDatabase } from "../support/mongo.ts";
import type { Database } from "../support/mongo.ts";
import { launch, skip } from "./chromium.ts";

const PHONE = { viewport: { width: 375, height: 700 } };

/** What axe found, as far as it is read here. */
interface Findings {
  readonly passes: readonly unknown[];
  readonly violations: readonly {
    readonly id: string;
    readonly nodes: readonly { readonly html: string }[];
  }[];
}

describe("the demo in Chromium", { skip }, () => {
  let database: Database;
  let demo: Demo;
  let server: Server;
  let origin: string;
  let browser: Browser;
  const contexts: BrowserContext[] = [];

  before(async () => {
    database = await openDatabase();
    demo = await createDemo(database.collection(), { keys: [generateKey()] });
    server = await serve(0, (request) => demo.fetch(request));
    origin = `http://127.0.0.1:${server.port}`;
    browser = await launch();
  });

  after(async () => {
    for (const context of contexts) await context.close();
    await browser.close();
    const closed = server.close();
    await demo.close();
    await closed;
    await database.close();
  });

  /** A device of its own: a browser context shares no cookie with another. */
  async function device(options: BrowserContextOptions = {}): Promise<BrowserContext> {
    const context = await browser.newContext({ baseURL: origin, ...options });
    context.setDefaultTimeout(20_000);
    contexts.push(context);
    return context;
  }

  async function logIn(context: BrowserContext, user: string): Promise<Page> {
    const page = await context.newPage();
    await page.goto("/");
    await page.getByLabel("Name").fill(user);
    await page.getByRole("main").getByRole("button", { name: "Log in" }).click();
    await page.getByRole("heading", { name: `Hello, ${user}` }).waitFor();
    return page;
  }

  it("two tabs each add ten items at once, and twenty are there, in both tabs", async () => {
    const context = await device();
    const one = await logIn(context, "cart");
    const two = await context.newPage();
    await Promise.all([one.goto("/cart"), two.goto("/cart")]);
    // Clicked in the page itself, so that no click waits for the answer to the one before.
    const clickTen = (page: Page) =>
      page.getByRole("button", { name: "Add Sencha" }).evaluate((button: { click(): void }) => {
        for (let i = 0; i < 10; i++) button.click();
      });
    await Promise.all([clickTen(one), clickTen(two)]);
    for (const page of [one, two]) await page.getByText("20 items, € 290.00").waitFor();
    await one.reload();
    assert.equal(await one.locator("#count").textContent(), "20 items, € 290.00");
  });

  it("logging out of one device on another ends its open page within a second", async (t) => {
    const [here, there] = [await logIn(await device(), "ann"), await logIn(await device(), "ann")];
    const listening = there.waitForResponse("**/events?signed-in");
    await there.goto("/cart");
    await listening;
    await here.goto("/devices");
    const ended = there.waitForURL("**/signed-out").then(() => performance.now());
    const began = performance.now();
    await here.getByRole("button", { name: "Log out everywhere but here" }).click();
    const ms = Math.round(await ended - began);
    t.diagnostic(`the other page had ended after ${ms} ms`);
    await there.getByRole("heading", { name: "You are logged out" }).waitFor();
    assert.ok(ms < 5_000, `${ms} ms`);
    await here.getByText("Logged out everywhere else: 1.").waitFor();
  });

  it("logging out in one tab ends the other tab of the browser", async () => {
    const context = await device();
    const one = await logIn(context, "tabs");
    const two = await context.newPage();
    await two.goto("/keys");
    await one.getByRole("button", { name: "Log out" }).click();
    await two.waitForURL("**/signed-out");
  });

  it("a tab from before the login follows it", async () => {
    const context = await device();
    const early = await context.newPage();
    await early.goto("/");
    await logIn(context, "late");
    await early.reload();
    await early.getByRole("heading", { name: "Hello, late" }).waitFor();
  });

  it("shows the rotation of the key to its end, while nobody is logged out", async () => {
    const page = await logIn(await device(), "keys");
    await page.goto("/keys");
    await page.getByRole("button", { name: "Rotate the key" }).click();
    await page.getByText("Every stored session is protected with the newest key.").waitFor();
    await page.goto("/");
    await page.getByRole("heading", { name: "Hello, keys" }).waitFor();
  });

  it("shows what happens while it happens", async () => {
    const [watching, busy] = [
      await logIn(await device(), "eve"),
      await logIn(await device(), "bo"),
    ];
    await watching.goto("/activity");
    const largest = watching.locator("dt", { hasText: "Largest batch" }).locator("+ dd");
    assert.ok(Number(await largest.textContent()) < 20);
    await busy.goto("/activity");
    await busy.getByRole("button", { name: "Send 200 visitors at once" }).click();
    await largest.filter({ hasText: /^([2-9]\d|\d{3})$/ }).waitFor();
  });

  it("does all of it without script", async () => {
    const page = await logIn(await device({ javaScriptEnabled: false }), "plain");
    await page.getByText("Welcome, plain.").waitFor();
    await page.goto("/cart");
    for (const name of ["Add Assam", "Add Assam", "Add Oolong"]) {
      await page.getByRole("button", { name }).click();
    }
    assert.equal(await page.locator("#count").textContent(), "3 items, € 38.50");
    await page.getByRole("button", { name: "Remove one Assam" }).click();
    await page.getByRole("button", { name: "Order" }).click();
    await page.getByText("Thank you: 2 items for € 28.70.").waitFor();
    await page.goto("/devices");
    await page.getByLabel("Name").fill("A plain device");
    await page.getByRole("button", { name: "Rename" }).click();
    await page.getByText("A plain device").waitFor();
    await page.goto("/keys");
    await page.getByRole("button", { name: "Rotate the key" }).click();
    await page.getByText(/A new key is on its way|A rotation is running already/).waitFor();
    await page.goto("/api");
    await page.getByRole("button", { name: "Get a token" }).click();
    await page.getByRole("button", { name: "GET /api/me" }).click();
    await page.getByText('{"user":"plain","visits":1}').waitFor();
    await page.goto("/activity");
    await page.getByRole("link", { name: "every five seconds" }).click();
    await page.waitForURL("**/activity?refresh=5");
    await page.goto("/");
    await page.getByRole("button", { name: "Make a link" }).click();
    await page.getByText("This link was opened 1 times").waitFor();
    await page.goto("/");
    await page.getByRole("button", { name: "Log out" }).click();
    await page.getByRole("heading", { name: "Hello, stranger" }).waitFor();
  });

  for (const colorScheme of ["light", "dark"] as const) {
    for (const [size, options] of [["a desktop", {}], ["a phone", PHONE]] as const) {
      it(`axe finds nothing, nothing is wider than the window and nothing is refused by the policy: ${colorScheme}, on ${size}`, async () => {
        const context = await device({ colorScheme, ...options });
        const page = await context.newPage();
        const said: string[] = [];
        const look = async (what: string) => {
          const { violations, passes } = await inspect(page);
          const found = violations.flatMap(({ id, nodes }) =>
            nodes.map(({ html }) => `${id}: ${html}`)
          );
          assert.deepEqual(found, [], what);
          assert.ok(passes.length > 10, what);
          const width = Number(await page.evaluate("document.documentElement.scrollWidth"));
          assert.ok(width <= (page.viewportSize()?.width ?? 0), `${what} is ${width} wide`);
        };

        for (const path of ["/", "/cart", "/devices", "/signed-out"]) {
          await page.goto(path);
          await look(`${path}, of a stranger`);
        }
        // What the browser refuses and what a script throws stands on the console.
        page.on("console", (message) => said.push(message.text()));
        page.on("pageerror", (error) => said.push(error.message));
        await page.goto("/");
        await page.getByLabel("Name").fill("a-rather-long-name-without-any-break");
        await page.getByRole("main").getByRole("button", { name: "Log in" }).click();
        await page.getByText("Welcome").waitFor();
        await look("/, with a message");
        const other = await logIn(await device(), "a-rather-long-name-without-any-break");
        await other.close();
        await page.goto("/cart");
        await page.getByRole("button", { name: "Add Rooibos" }).click();
        await page.getByText("1 item,").waitFor();
        await look("/cart, with an item");
        await page.goto("/devices");
        await look("/devices, of two");
        await page.goto("/api");
        await page.getByRole("button", { name: "Get a token" }).click();
        await page.getByText("What was said").waitFor();
        await look("/api, with a token");
        await page.goto("/keys");
        await page.getByRole("button", { name: "Rotate the key" }).click();
        await page.getByText("Every stored session").waitFor();
        await look("/keys, after a rotation");
        await page.goto("/activity");
        await page.getByRole("button", { name: "Send 200 visitors at once" }).click();
        await page.getByText("200 visitors came at once.").waitFor();
        await look("/activity, after a crowd");
        await page.goto("/");
        await page.getByRole("button", { name: "Make a link" }).click();
        await page.getByText("This link was opened").waitFor();
        await look("/link");
        assert.deepEqual(said, []);
        await page.goto("/nothing");
        await look("/nothing");
      });
    }
  }
});

/** Injected through the browser's debugger, which the policy of the pages does not concern. */
async function inspect(page: Page): Promise<Findings> {
  await page.evaluate(axe.source);
  return await page.evaluate<Findings>("axe.run()");
}
