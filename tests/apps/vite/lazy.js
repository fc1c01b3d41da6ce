export const lazy = "loaded when asked for";
