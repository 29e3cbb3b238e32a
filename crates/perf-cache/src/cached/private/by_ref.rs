//! Keys of several parts that are looked for before they are copied.

use equivalent::Equivalent;
use std::hash::{Hash, Hasher};

/// References to the parts of a tuple, which is what it finds.
#[derive(Clone, Copy, Debug)]
pub struct ByRef<T>(pub T);

macro_rules! tuples {
    ($($part:ident $key:ident $index:tt),*) => {
        impl<$($part: Hash + ?Sized),*> Hash for ByRef<($(&$part,)*)> {
            #[inline]
            fn hash<State: Hasher>(&self, state: &mut State) {
                // As the tuple itself: part by part, and what is borrowed hashes as what owns it.
                $(self.0.$index.hash(state);)*
            }
        }

        impl<$($part, $key),*> Equivalent<($($key,)*)> for ByRef<($(&$part,)*)>
        where
            $($part: Equivalent<$key> + ?Sized,)*
        {
            #[inline]
            fn equivalent(&self, key: &($($key,)*)) -> bool {
                $(self.0.$index.equivalent(&key.$index))&&*
            }
        }
    };
}

tuples!(A Ka 0, B Kb 1);
tuples!(A Ka 0, B Kb 1, C Kc 2);
tuples!(A Ka 0, B Kb 1, C Kc 2, D Kd 3);
tuples!(A Ka 0, B Kb 1, C Kc 2, D Kd 3, E Ke 4);
tuples!(A Ka 0, B Kb 1, C Kc 2, D Kd 3, E Ke 4, F Kf 5);
tuples!(A Ka 0, B Kb 1, C Kc 2, D Kd 3, E Ke 4, F Kf 5, G Kg 6);
tuples!(A Ka 0, B Kb 1, C Kc 2, D Kd 3, E Ke 4, F Kf 5, G Kg 6, H Kh 7);

#[cfg(test)]
mod tests {
    use super::*;
    use hashbrown::DefaultHashBuilder;
    use std::hash::BuildHasher;

    #[test]
    fn references_hash_and_compare_as_what_they_find() {
        let hasher = DefaultHashBuilder::default();
        let key = (7_u64, "seven".to_owned(), vec![1_u8, 2]);
        let by_ref = ByRef((&7_u64, "seven", &[1_u8, 2][..]));
        assert_eq!(hasher.hash_one(by_ref), hasher.hash_one(&key));
        assert!(by_ref.equivalent(&key));
        for other in [
            (8, "seven".to_owned(), vec![1, 2]),
            (7, "eight".to_owned(), vec![1, 2]),
            (7, "seven".to_owned(), vec![1]),
        ] {
            assert!(!by_ref.equivalent(&other), "{other:?}");
        }
    }
}
