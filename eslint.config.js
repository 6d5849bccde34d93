import js from "@eslint/js";
import globals from "globals";
import tseslint from "typescript-eslint";
import markdown from "./scripts/plainEnglish/markdown.js";
import plainEnglish from "./scripts/plainEnglish/rule.js";

export default tseslint.config(
  { ignores: ["dist/", "node_modules/", ".cache/", ".lathe/", "coverage/"] },
  js.configs.recommended,
  ...tseslint.configs.strictTypeChecked,
  {
    languageOptions: {
      globals: globals.node,
      parserOptions: {
        projectService: { allowDefaultProject: ["eslint.config.js"] },
        tsconfigRootDir: import.meta.dirname,
      },
    },
    rules: {
      // Numeric code indexes typed arrays inside loops that end at the array's length.
      "@typescript-eslint/no-non-null-assertion": "off",
      "@typescript-eslint/restrict-template-expressions": [
        "error",
        { allowNumber: true, allowBoolean: true },
      ],
      "@typescript-eslint/no-confusing-void-expression": ["error", { ignoreArrowShorthand: true }],
      "@typescript-eslint/no-unused-vars": ["error", { argsIgnorePattern: "^_", varsIgnorePattern: "^_" }],
      // A type parameter used once still names the configuration or the options of a catalog entry.
      "@typescript-eslint/no-unnecessary-type-parameters": "off",
      // `async` satisfies an interface's promise even where one implementation has nothing to wait for.
      "@typescript-eslint/require-await": "off",
    },
  },
  {
    files: ["src/**"],
    rules: {
      // The object `z` includes its translations, which are three quarters of the library.
      "no-restricted-syntax": [
        "error",
        {
          selector:
            "ImportDeclaration[source.value='zod'][importKind!='type'] > ImportSpecifier[imported.name='z']",
          message: 'Write `import * as z from "zod"`.',
        },
      ],
    },
  },
  { files: ["**/*.js"], extends: [tseslint.configs.disableTypeChecked] },
  {
    plugins: { lathe: { rules: { "plain-english": plainEnglish }, processors: { markdown } } },
    rules: { "lathe/plain-english": "error" },
  },
  { files: ["**/*.md"], processor: "lathe/markdown" },
  // These contain the phrases to avoid.
  {
    files: ["docs/style.md/*.js", "scripts/plainEnglish/phrases.js", "test/plainEnglish.test.ts"],
    rules: { "lathe/plain-english": "off" },
  },
);
