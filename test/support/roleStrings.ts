/** Finds code that parses the address of a matrix, or hard-codes one, instead of reading the model's description. */

/** Roles are only composed and parsed here. */
const owner = "src/backend/models/";

const forbidden: readonly (readonly [pattern: RegExp, instead: string])[] = [
  [
    /\b(?:role|address)s?\.(?:split|replace|match|slice|startsWith|endsWith|substring|lastIndexOf)\(/,
    "layer, purpose or axes",
  ],
  [/\/[^/\n]*layers\\\\?\.[^/\n]*\/[a-z]*\.?(?:test|exec)?/, "findLayer"],
  [/`layers\.\$\{/, "layerRole"],
  [
    /["'`](?:layers\.\d+\.)?(?:self_attn|mlp)\.|["'`](?:[qkvo]|up|gate|down|qkv|gate_up)_proj["'`]/,
    "purpose",
  ],
  [/["'](?:embed_tokens|embed_positions|embed_types|lm_head)["']/, "purpose"],
];

/** Patterns that users write: values of `targets` and `ignore`, and descriptions of options. */
const allowedPattern = /\b(?:targets|ignore): |`[^`]*layers\.\*|^\s*(?:\*|\/\/|\/\*\*)/;

export function findRoleStrings(sources: ReadonlyMap<string, string>): string[] {
  return [...sources].flatMap(([file, text]) =>
    file.startsWith(owner)
      ? []
      : text.split("\n").flatMap((line, i) => {
          const rule = allowedPattern.test(line)
            ? undefined
            : forbidden.find(([pattern]) => pattern.test(line));
          return rule === undefined
            ? []
            : [`${file}:${i + 1} reads a role as text; use ${rule[1]}: ${line.trim()}`];
        }),
  );
}
