import type { Mutant, Patch } from "./harness.ts";

/** A test by its file and name. */
interface Named {
  readonly file: string;
  readonly test: string;
}

/** A fault in what protects tokens, data and values, and the test that has to fail for it. */
interface Fault extends Named {
  readonly name: string;
  readonly patches: readonly Patch[];
}

const RUNNER = ["--import", "tsx", "--test", "--test-force-exit", "--test-reporter=tap"] as const;

/** Runs these tests and no others of their files. */
function commandOf(tests: readonly Named[]): Mutant["command"] {
  const patterns = tests.map(({ test }) => `--test-name-pattern=^${quoted(test)}$`);
  return ["node", ...RUNNER, ...new Set(patterns), ...new Set(tests.map(({ file }) => file))];
}

function quoted(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");
}

function inFile(file: string, find: string, replace: string): Patch {
  return { file, find, replace };
}

const FAULTS: readonly Fault[] = [
  {
    name: "a token's MAC covers its value and not its name",
    patches: [
      inFile(
        "src/codec/bind.ts",
        "head = headOf(label, name)",
        'head = headOf(label, label === "mongostore/v1/token" ? "" : name)',
      ),
    ],
    file: "tests/codec/signed.test.ts",
    test: "signed token: a token is bound to its name",
  },
  {
    name: "a securecookie's MAC covers its value and not its name",
    patches: [
      inFile(
        "src/codec/securecookie.ts",
        'crypto.subtle.sign("HMAC", await this.#mac(), signed)',
        'crypto.subtle.sign("HMAC", await this.#mac(), signed.slice(encoder.encode(`${name}|`).length))',
      ),
      inFile(
        "src/codec/securecookie.ts",
        "const signed = join(encoder.encode(`${name}|`), bytes.subarray(0, second));",
        "const signed = join(bytes.subarray(0, second));",
      ),
    ],
    file: "tests/codec/securecookie.test.ts",
    test: "securecookie: any JSON comes back, under its own name only",
  },
  {
    name: "the AAD of sealed data leaves the record's _id out",
    patches: [
      inFile("src/codec/sealed.ts", "bind(name, key, time)", "bind(name, time)"),
    ],
    file: "tests/codec/sealed.test.ts",
    test: "sealed data: data of one record does not open in another",
  },
  {
    name: "the AAD of sealed data leaves the time of creation out",
    patches: [
      inFile("src/codec/sealed.ts", "bind(name, key, time)", "bind(name, key)"),
    ],
    file: "tests/fuzz/fuzz.test.ts",
    test: "fuzz: sealed data",
  },
  {
    name: "the MAC of signed data leaves the record's _id out",
    patches: [
      inFile(
        "src/codec/signed.ts",
        "bindData(name, key, time, encoder.encode(text))",
        "bindData(name, time, encoder.encode(text))",
      ),
    ],
    file: "tests/fuzz/fuzz.test.ts",
    test: "fuzz: signed data",
  },
  {
    name: "MACs are compared by their first half",
    patches: [
      inFile(
        "src/codec/nodecrypto.ts",
        "node.timingSafeEqual(mac, sign(message))",
        "node.timingSafeEqual(mac.subarray(0, 16), sign(message).subarray(0, 16))",
      ),
    ],
    file: "tests/fuzz/fuzz.test.ts",
    test: "fuzz: token",
  },
  {
    name: "MACs are compared as far as the presented one goes",
    patches: [
      inFile(
        "src/codec/nodecrypto.ts",
        "mac.length === 32 && node.timingSafeEqual(mac, sign(message))",
        "node.timingSafeEqual(mac, sign(message).subarray(0, mac.length))",
      ),
    ],
    file: "tests/codec/rfc-vectors.test.ts",
    test: "RFC 4231: node:crypto takes no truncated, longer or modified MAC",
  },
  {
    name: "Web Crypto is left to choose shorter tags",
    patches: [inFile("src/codec/webcrypto.ts", "tagLength: 128", "tagLength: 32")],
    file: "tests/codec/rfc-vectors.test.ts",
    test: "GCM test cases 13 to 16: AES-256-GCM of Web Crypto",
  },
  {
    name: "a token's key is found by trying all",
    patches: [
      inFile(
        "src/codec/keyring.ts",
        "  /** The key of this id, where the ring has it. */",
        "  get all(): readonly DerivedKeys[] {\n    return this.#keys;\n  }\n",
      ),
      inFile(
        "src/codec/signed.ts",
        "      const key = this.#keyring.byId(readUint32(head, 1));\n      if (!key) return INVALID;",
        `      const tried = bindToken(name, head);
      const key = this.#keyring.all.find((one) => one.token.verify(mac, tried));
      if (!key) return INVALID;`,
      ),
    ],
    file: "tests/fuzz/work.test.ts",
    test: "work: a key is chosen by its id: one MAC or none, however many keys there are",
  },
  {
    name: "a key id that no key has leads to the first key",
    patches: [
      inFile(
        "src/codec/keyring.ts",
        "return this.#keys.find((key) => key.id === id);",
        "return this.#keys.find((key) => key.id === id) ?? this.#keys[0];",
      ),
    ],
    file: "tests/codec/signed.test.ts",
    test: "signed token: an unknown key id asks for no MAC at all",
  },
  {
    name: "a key named __proto__ revives",
    patches: [
      inFile(
        "src/codec/serializer.ts",
        'if (key === "__proto__") return this.#refuse(depth + 1, "a key of this name");',
        "",
      ),
    ],
    file: "tests/codec/serializer.test.ts",
    test: "serializer: a key named __proto__ is refused in every spelling",
  },
  {
    name: "a key named __proto__ revives from a securecookie",
    patches: [
      inFile(
        "src/codec/securecookie.ts",
        'if (key === "__proto__") throw new TypeError("a key of this name");',
        "",
      ),
    ],
    file: "tests/fuzz/fuzz.test.ts",
    test: "fuzz: securecookie",
  },
  {
    name: "a key named __proto__ of an older session becomes a prototype",
    patches: [
      inFile(
        "src/legacy/values.ts",
        'key !== "__proto__" && copy !== undefined',
        "copy !== undefined",
      ),
    ],
    file: "tests/fuzz/fuzz.test.ts",
    test: "fuzz: iron-session",
  },
  {
    name: "a new session takes the unknown id that was presented",
    patches: [
      inFile(
        "src/store.ts",
        "      return this.#make(name, presented.channel, error);",
        `      Object.assign(this.#repository, { presented: opened.id });
      return this.#make(name, presented.channel, error);`,
      ),
      inFile(
        "src/repository.ts",
        "const id = newSessionId(now, this.#parts.random);",
        'const id = Reflect.get(this, "presented") ?? newSessionId(now, this.#parts.random);',
      ),
    ],
    file: "tests/fuzz/fuzz.test.ts",
    test: "fuzz: store",
  },
];

/** Each test of a mutant, on a copy without one. */
export const ALL_TESTS: Pick<Mutant, "command"> = { command: commandOf(FAULTS) };

export const PROTECTION_MUTANTS: readonly Mutant[] = FAULTS.map((fault) => ({
  name: fault.name,
  patches: fault.patches,
  command: commandOf([fault]),
  says: new RegExp(`^ *not ok \\d+ - ${quoted(fault.test)}$`, "m"),
}));

/** How many tests the mutants are to be noticed by. */
export const TESTS: number = new Set(FAULTS.map(({ test }) => test)).size;
