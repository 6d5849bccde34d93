/** Every command of the extension by its file's name. Written by `npm run generate`. */
export const commands: Readonly<Record<string, never>> = {};
