const origins = process.env.ALLOWED_ORIGIN ? [process.env.ALLOWED_ORIGIN] : undefined;

export default {
  allowedDevOrigins: origins,
};
