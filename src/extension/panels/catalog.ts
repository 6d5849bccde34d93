/** Every panel by its file's name. Written by `npm run generate`. */
export const panels: Readonly<Record<string, never>> = {};
