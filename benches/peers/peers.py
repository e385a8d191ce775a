"""M/M/4 at a utilization of 0.8 in SimPy and Ciw: arrivals and completions per second, median of three runs."""

import random
import statistics
import time

import ciw
import simpy

ARRIVAL_RATE, SERVICE_RATE, SERVERS = 3.2, 1.0, 4


def in_simpy(jobs):
    """Simulates a number of jobs, each as a process."""
    draws = random.Random(1)
    environment = simpy.Environment()
    servers = simpy.Resource(environment, capacity=SERVERS)

    def job():
        with servers.request() as request:
            yield request
            yield environment.timeout(draws.expovariate(SERVICE_RATE))

    def source():
        for _ in range(jobs):
            yield environment.timeout(draws.expovariate(ARRIVAL_RATE))
            environment.process(job())

    environment.process(source())
    environment.run()


def in_ciw(jobs):
    """Simulates a number of jobs."""
    network = ciw.create_network(
        arrival_distributions=[ciw.dists.Exponential(rate=ARRIVAL_RATE)],
        service_distributions=[ciw.dists.Exponential(rate=SERVICE_RATE)],
        number_of_servers=[SERVERS],
    )
    ciw.seed(1)
    ciw.Simulation(network).simulate_until_max_customers(jobs)


def main():
    for name, simulate, jobs in (("SimPy", in_simpy, 100_000), ("Ciw", in_ciw, 30_000)):
        rates = []
        for _ in range(3):
            start = time.perf_counter()
            simulate(jobs)
            rates.append(2 * jobs / (time.perf_counter() - start))
        print(f"{name}\t{statistics.median(rates):.0f}")


if __name__ == "__main__":
    main()
