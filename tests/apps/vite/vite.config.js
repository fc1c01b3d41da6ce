export default {
  cacheDir: ".vite",
  clearScreen: false,
  server: { host: "127.0.0.1" },
};
