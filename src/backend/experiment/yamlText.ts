/**
 * Parses one YAML text into plain values, with the position of every key and value. Refuses text that could exhaust
 * the process: deep nesting before it is composed, multiplying aliases before they are expanded.
 */
import {
  Composer,
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  Lexer,
  type Node,
  Parser,
  type CST,
} from "yaml";
import type { Path } from "./experiment";

const maxDepth = 64;
const maxAliases = 100;

export interface TextSpan {
  /** Offsets in the text, excluding the end. */
  readonly start: number;
  readonly end: number;
}

export interface YamlFault extends TextSpan {
  readonly message: string;
}

export interface YamlDocument extends TextSpan {
  readonly value: unknown;
  /** The position of a value, or of its key. */
  find(path: Path, part?: "key" | "value"): TextSpan | undefined;
}

export function readYaml(text: string): { documents: YamlDocument[]; faults: YamlFault[] } {
  const tokens: CST.Token[] = [];
  const parser = new Parser();
  for (const lexeme of new Lexer().lex(text)) {
    for (const token of parser.next(lexeme)) tokens.push(token);
    // The parser keeps open values in a list, but composing them recurses, and a stack overflow kills the process.
    if (parser.stack.length <= maxDepth) continue;
    const message = `values nest deeper than ${maxDepth} levels. Flatten them`;
    return { documents: [], faults: [{ start: parser.offset, end: parser.offset, message }] };
  }
  for (const token of parser.end()) tokens.push(token);
  // Keys are compared here instead: the composer's own check takes quadratic time.
  const composer = new Composer({ uniqueKeys: false, logLevel: "silent", prettyErrors: false });
  const documents: YamlDocument[] = [];
  const faults: YamlFault[] = [];
  for (const document of composer.compose(tokens, true, text.length)) {
    const broken = [...document.errors, ...document.warnings].map(({ message, pos: [start, end] }) => ({
      start,
      end,
      message: `not valid YAML: ${message.charAt(0).toLowerCase()}${message.slice(1)}`,
    }));
    if (broken.length > 0) faults.push(...broken.slice(0, 3));
    else {
      const wrong = findWordFaults(document.contents);
      for (const fault of wrong) faults.push(fault);
      if (wrong.length === 0) documents.push(createDocument(document, faults));
    }
  }
  return { documents, faults };
}

function createDocument(document: Document.Parsed, faults: YamlFault[]): YamlDocument {
  const [start, , end] = document.range;
  const find: YamlDocument["find"] = (path, part = "value") => findNode(document, path, part);
  try {
    return { start, end, find, value: document.toJS({ maxAliasCount: maxAliases }) as unknown };
  } catch (error) {
    // The library throws a ReferenceError for too many aliases and for one that refers to nothing.
    const message =
      error instanceof ReferenceError ? "aliases that repeat too much" : "a value that cannot be read";
    faults.push({ start, end, message: `not valid YAML: ${message}. Write the values out` });
    return { start, end, find, value: undefined };
  }
}

/** Keys that are not plain words, duplicate keys, and aliases that are undefined or refer to themselves. */
function findWordFaults(root: Node | null): YamlFault[] {
  const faults: YamlFault[] = [];
  const todo: (Node | null)[] = [root];
  const anchors = new Map<string, TextSpan>();
  for (let node = todo.pop(); node !== undefined; node = todo.pop()) {
    if (node === null) continue;
    const add = (at: Node, message: string) => faults.push({ ...getSpan(at), message });
    if (isAlias(node)) {
      const anchor = anchors.get(node.source);
      if (anchor === undefined) add(node, `the alias *${node.source} has no anchor above it`);
      else if (getSpan(node).start < anchor.end)
        add(node, `the alias *${node.source} refers to a value that contains it`);
      continue;
    }
    if (node.anchor !== undefined) anchors.set(node.anchor, getSpan(node));
    if (isSeq(node)) for (const item of (node.items as Node[]).toReversed()) todo.push(item);
    if (!isMap(node)) continue;
    const seen = new Set<string>();
    for (const { key } of node.items) {
      if (!isScalar(key) || typeof key.value !== "string" || key.value === "__proto__")
        add(isScalar(key) ? key : node, "a key must be a word");
      else if (seen.has(key.value)) add(key, `the key "${key.value}" is specified twice`);
      else seen.add(key.value);
    }
    for (const { value } of node.items.toReversed()) todo.push(value as Node | null);
  }
  return faults;
}

function findNode(document: Document.Parsed, path: Path, part: "key" | "value"): TextSpan | undefined {
  let node: Node | null = document.contents;
  let key: Node | null = node;
  for (const step of path) {
    const inside: Node | undefined | null = isAlias(node) ? node.resolve(document) : node;
    if (isMap(inside)) {
      const pair = inside.items.find((item) => isScalar(item.key) && item.key.value === step);
      if (pair === undefined) return undefined;
      key = pair.key as Node;
      node = (pair.value as Node | null) ?? key;
    } else if (isSeq(inside)) {
      const item = inside.items[step as number] as Node | undefined;
      if (item === undefined) return undefined;
      key = node = item;
    } else return undefined;
  }
  const target = part === "key" ? key : node;
  return target === null ? undefined : getSpan(target);
}

function getSpan(node: Node): TextSpan {
  const [start, end] = node.range ?? [0, 0];
  return { start, end };
}
