/** Options of an export that publish its folder as a repository of the Hugging Face hub. */
import * as z from "zod";

const maxNameLength = 96;
const part = "[A-Za-z0-9](?:[\\w.-]*\\w)?";
const pattern = new RegExp(`^${part}/${part}$`);

/** Whether the hub accepts a name of a repository, `owner/name`. */
export function isRepositoryName(name: string): boolean {
  return pattern.test(name) && name.length <= maxNameLength && !/--|\.\.|\.git$|\.ipynb$/.test(name);
}

export const repositorySchema = z.string().refine(isRepositoryName, {
  error: `must be a repository of the hub as owner/name: letters, digits, "-", "_" and ".", up to ${maxNameLength} characters, without "--" and ".."`,
});

export const pushFields = {
  push_to: repositorySchema
    .optional()
    .describe(
      "Repository of the Hugging Face hub, as owner/name, for the exported files and a model card. Nothing is sent unless the run is started with `--push`; otherwise the log shows what would be sent.",
    ),
  private: z
    .boolean()
    .optional()
    .describe(
      "Visibility of the repository of `push_to` if the push creates it; true when left out. A public one that exists needs `false`.",
    ),
  license: z
    .string()
    .regex(/^[a-z0-9][a-z0-9.+-]{0,39}$/, { error: "must be an identifier of the hub, such as apache-2.0" })
    .optional()
    .describe(
      "License in the model card, as an identifier of the hub such as apache-2.0. None when left out.",
    ),
};
export const pushSchema = z.strictObject(pushFields);
export type PushOptions = z.output<typeof pushSchema>;
