// Planets that attract each other: few data, much floating point.
#include "kernel.h"
#include <math.h>

enum { BODIES = 5 };
typedef struct {
  double x[3], v[3], mass;
} Body;

static void advance(Body *bodies, double dt) {
  for (int i = 0; i < BODIES; i++)
    for (int j = i + 1; j < BODIES; j++) {
      double d[3], square = 0.0;
      for (int k = 0; k < 3; k++) {
        d[k] = bodies[i].x[k] - bodies[j].x[k];
        square += d[k] * d[k];
      }
      double pull = dt / (square * sqrt(square));
      for (int k = 0; k < 3; k++) {
        bodies[i].v[k] -= d[k] * bodies[j].mass * pull;
        bodies[j].v[k] += d[k] * bodies[i].mass * pull;
      }
    }
  for (int i = 0; i < BODIES; i++)
    for (int k = 0; k < 3; k++)
      bodies[i].x[k] += dt * bodies[i].v[k];
}

int main(int argc, char **argv) {
  uint32_t steps = size_argument(argc, argv);
  Body bodies[BODIES];
  for (int i = 0; i < BODIES; i++) {
    bodies[i].mass = i == 0 ? 40.0 : 0.01 * next_double();
    for (int k = 0; k < 3; k++) {
      bodies[i].x[k] = i * (10.0 * next_double() - 5.0);
      bodies[i].v[k] = i == 0 ? 0.0 : 2.0 * next_double() - 1.0;
    }
  }
  for (uint32_t i = 0; i < steps; i++)
    advance(bodies, 0.001);
  uint64_t sum = 0;
  for (int i = 0; i < BODIES; i++)
    for (int k = 0; k < 3; k++)
      sum = mix(sum, bits(bodies[i].x[k]));
  print_checksum(sum);
}
